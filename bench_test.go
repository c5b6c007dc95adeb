package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"npinf/engine"
	"npinf/hub"
	"npinf/kernels"
	"npinf/sae"
	"npinf/server"
)

// The shape of GPT-2 small with one residual source of 24,576 features per layer, random
// weights. Everything below goes through the HTTP handler. x-ideal is the time of the
// fastest request (of the mean one where there are many clients) over that of its
// multiplications or its weight bytes, whichever is longer, at the speeds of the device's
// Calibrate in the same run.
const (
	benchLayers     = 12
	benchWidth      = 768
	benchVocabulary = 50257
	benchFeatures   = 24576
	benchTokens     = 32

	blockWeights  = 12 * benchWidth * benchWidth
	headWeights   = benchVocabulary * benchWidth
	sourceWeights = benchFeatures * benchWidth
)

// allWork is that of a request for all features: the last source reads what enters the last block.
func allWork() benchWork {
	weights := float64((benchLayers-1)*blockWeights + benchLayers*sourceWeights)
	return benchWork{benchTokens * weights, 4 * weights}
}

// benchWork is the least a request has to do.
type benchWork struct{ multiplications, bytes float64 }

// ideal returns the seconds it takes at best.
func (w benchWork) ideal(c kernels.Calibration) float64 {
	return max(w.multiplications/c.FMA, w.bytes/c.Read)
}

// BenchmarkActivationAll asks for the 25 strongest features of 12 × 24,576 over 32 tokens.
// A [tokens × features] buffer of one source alone would be 3.1 MB. peak-B is the largest heap seen
// meanwhile above the one before, garbage that is not collected yet included.
func BenchmarkActivationAll(b *testing.B) {
	s := startBench(b)
	request := fmt.Sprintf(`{"model":"bench","prompt":%q,"sourceSet":"res-bench","selectedSources":[],"sortByTokenIndexes":[],"ignoreBos":true,"numResults":25}`, benchPrompt())
	s.measure(b, "/v1/activation/all", request, allWork())
}

// BenchmarkTopKByToken asks for the 5 strongest features of every token of one source.
func BenchmarkTopKByToken(b *testing.B) {
	s := startBench(b)
	s.measure(b, "/v1/activation/topk-by-token", fmt.Sprintf(`{"model":"bench","prompt":%q,"source":"8-res-bench","topK":5,"ignoreBos":true}`, benchPrompt()), benchWork{benchTokens * (8*blockWeights + sourceWeights), 4 * (8*blockWeights + sourceWeights)})
}

// BenchmarkPrefill runs the whole model once and returns the last layer's last row.
func BenchmarkPrefill(b *testing.B) {
	s := startBench(b)
	s.measure(b, "/v1/activation/raw", fmt.Sprintf(`{"model":"bench","prompts":[%q],"layers":[%d]}`, benchPrompt(), benchLayers-1), benchWork{benchTokens * benchLayers * blockWeights, 4 * benchLayers * blockWeights})
}

// BenchmarkLogitLens reads 32 tokens at all 12 layers, the 5 likeliest tokens of each.
func BenchmarkLogitLens(b *testing.B) {
	s := startBench(b)
	request := fmt.Sprintf(`{"model":"bench","type":["LOGIT_LENS"],"prompt":%q,"stream":false,"topN":5,"layers":[],"maxNewTokens":0}`, benchPrompt())
	const rows = benchLayers * benchTokens
	s.measure(b, "/v1/lens/prompt", request, benchWork{benchTokens*benchLayers*blockWeights + rows*headWeights, 4 * (benchLayers*blockWeights + headWeights)})
}

// BenchmarkSteer generates 32 tokens behind 32 others, steered by one feature; every token
// reads all weights once. BenchmarkSteerBoth generates without steering beside it.
func BenchmarkSteer(b *testing.B) { benchmarkSteer(b, `"STEERED"`) }

func BenchmarkSteerBoth(b *testing.B) { benchmarkSteer(b, `"STEERED","DEFAULT"`) }

func benchmarkSteer(b *testing.B, types string) {
	s := startBench(b)
	request := fmt.Sprintf(`{"model":"bench","prompt":%q,"types":[%s],"features":[{"model":"bench","source":"8-res-bench","index":7,"strength":1}],
		"nCompletionTokens":%d,"temperature":0,"strengthMultiplier":1,"freqPenalty":0,"seed":16,"steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false}`,
		benchPrompt(), types, benchTokens)
	const passes = benchTokens // the prompt gives the first token
	s.measure(b, "/v1/steer/completion", request, benchWork{2 * benchTokens * benchLayers * blockWeights, passes * 4 * (benchLayers*blockWeights + headWeights)})
}

// BenchmarkClients16 is BenchmarkActivationAll asked by 16 clients at once.
func BenchmarkClients16(b *testing.B) {
	s := startBench(b)
	request := fmt.Sprintf(`{"model":"bench","prompt":%q,"sourceSet":"res-bench","selectedSources":[],"sortByTokenIndexes":[],"ignoreBos":true,"numResults":25}`, benchPrompt())
	s.post(b, "/v1/activation/all", request)
	before := s.calibrate()
	b.SetParallelism((16 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.post(b, "/v1/activation/all", request)
		}
	})
	b.StopTimer()
	mean := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(mean/allWork().ideal(before.Best(s.calibrate())), "x-ideal")
}

// BenchmarkStart loads the model from its files, with 12 sources configured, and answers one
// request that needs one of them. x-read is the time over that of reading the weights.
func BenchmarkStart(b *testing.B) {
	folder := benchFiles(b)
	request := fmt.Sprintf(`{"model":"bench","prompt":%q,"source":"8-res-bench","topK":5,"ignoreBos":true}`, benchPrompt())
	fastest := time.Hour
	var best kernels.Calibration
	for b.Loop() {
		start := time.Now()
		s := loadBench(b, folder)
		s.post(b, "/v1/activation/topk-by-token", request)
		fastest = min(fastest, time.Since(start))
		b.StopTimer()
		best = best.Best(s.calibrate())
		s.close()
		b.StartTimer()
	}
	const bytes = 4 * (benchLayers*blockWeights + headWeights + sourceWeights)
	b.ReportMetric(fastest.Seconds()*best.Read/bytes, "x-read")
	b.ReportMetric(fastest.Seconds()*1e3, "best-ms")
}

type benchServer struct {
	handler http.Handler
	device  *kernels.CPU
	memory  []byte // for calibrations
	close   func()
}

func (s *benchServer) calibrate() kernels.Calibration {
	if s.memory == nil {
		s.memory = bytes.Repeat([]byte{1}, kernels.CalibrationBytes)
	}
	return s.device.Calibrate(s.memory)
}

func startBench(b *testing.B) *benchServer {
	b.Helper()
	s := loadBench(b, benchFiles(b))
	b.Cleanup(s.close)
	return s
}

func loadBench(b *testing.B, folder string) *benchServer {
	b.Helper()
	path, err := kernels.PathFromEnv(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{Path: path})
	if err != nil {
		b.Fatal(err)
	}
	registry, err := sae.OpenRegistry()
	if err != nil {
		b.Fatal(err)
	}
	config := engine.Config{ModelID: filepath.Join(folder, "model"), Borrow: true, Device: device, Hub: hub.NewClient(hub.Config{Offline: true}), Registry: registry}
	for layer := range benchLayers {
		config.SourceFolders = append(config.SourceFolders, filepath.Join(folder, fmt.Sprintf("%d-res-bench", layer)))
	}
	e := engine.New(config)
	if err := e.Load(context.Background()); err != nil {
		b.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	return &benchServer{
		device:  device,
		handler: server.New(e, server.Options{Logger: quiet}).Handler(),
		close:   func() { e.Close(); device.Close() },
	}
}

func (s *benchServer) post(b *testing.B, path, body string) {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	s.handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		b.Errorf("%s: %d %s", path, answer.Code, text)
	}
}

// measure warms up, so that the sources are resident, then times the request, with a
// calibration before every fifth.
func (s *benchServer) measure(b *testing.B, path, body string, work benchWork) {
	s.post(b, path, body)
	best := s.calibrate()
	peak := watchHeap()
	b.ReportAllocs()
	fastest := time.Hour
	for i := 1; b.Loop(); i++ {
		start := time.Now()
		s.post(b, path, body)
		fastest = min(fastest, time.Since(start))
		if i%5 == 0 {
			b.StopTimer()
			best = best.Best(s.calibrate())
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(peak()), "peak-B")
	b.ReportMetric(fastest.Seconds()/work.ideal(best), "x-ideal")
	b.ReportMetric(fastest.Seconds()*1e3, "best-ms")
}

// watchHeap samples the heap until the returned function is called, which gives the largest
// growth seen.
func watchHeap() (peak func() uint64) {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.HeapAlloc
	var largest atomic.Uint64
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				if now.HeapAlloc > before && now.HeapAlloc-before > largest.Load() {
					largest.Store(now.HeapAlloc - before)
				}
			}
		}
	}()
	return func() uint64 { close(done); return largest.Load() }
}

// benchPrompt has one token per word: the model's tokenizer gives every letter its own id.
func benchPrompt() string { return strings.Repeat("a", benchTokens-1) }

// benchFiles writes the model and its sources to a temporary folder (2.4 GB).
func benchFiles(b *testing.B) string {
	b.Helper()
	folder := b.TempDir()
	model := filepath.Join(folder, "model")
	writeJSON(b, filepath.Join(model, "config.json"), map[string]any{
		"model_type": "gpt2", "architectures": []string{"GPT2LMHeadModel"}, "n_layer": benchLayers, "n_embd": benchWidth, "n_head": 12,
		"n_positions": 1024, "vocab_size": benchVocabulary, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
	})
	writeJSON(b, filepath.Join(model, "tokenizer.json"), benchTokenizer())
	writeJSON(b, filepath.Join(model, "tokenizer_config.json"), map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "<s>"})
	shapes := map[string][]int{"wte.weight": {benchVocabulary, benchWidth}, "wpe.weight": {1024, benchWidth}, "ln_f.weight": {benchWidth}, "ln_f.bias": {benchWidth}}
	for layer := range benchLayers {
		for name, shape := range map[string][]int{
			"ln_1.weight": {benchWidth}, "ln_1.bias": {benchWidth}, "ln_2.weight": {benchWidth}, "ln_2.bias": {benchWidth},
			"attn.c_attn.weight": {benchWidth, 3 * benchWidth}, "attn.c_attn.bias": {3 * benchWidth}, "attn.c_proj.weight": {benchWidth, benchWidth}, "attn.c_proj.bias": {benchWidth},
			"mlp.c_fc.weight": {benchWidth, 4 * benchWidth}, "mlp.c_fc.bias": {4 * benchWidth}, "mlp.c_proj.weight": {4 * benchWidth, benchWidth}, "mlp.c_proj.bias": {benchWidth},
		} {
			shapes[fmt.Sprintf("h.%d.%s", layer, name)] = shape
		}
	}
	writeSafetensors(b, filepath.Join(model, "model.safetensors"), shapes)
	for layer := range benchLayers {
		source := filepath.Join(folder, fmt.Sprintf("%d-res-bench", layer))
		writeJSON(b, filepath.Join(source, "cfg.json"), map[string]any{
			"architecture": "standard", "d_in": benchWidth, "d_sae": benchFeatures, "dtype": "float32", "apply_b_dec_to_input": true,
			"normalize_activations": "none", "reshape_activations": "none",
			"metadata": map[string]any{"sae_lens_version": "6.54.12", "hook_name": fmt.Sprintf("blocks.%d.hook_resid_pre", layer)},
		})
		writeSafetensors(b, filepath.Join(source, "sae_weights.safetensors"), map[string][]int{
			"W_enc": {benchWidth, benchFeatures}, "b_enc": {benchFeatures}, "W_dec": {benchFeatures, benchWidth}, "b_dec": {benchWidth},
		})
	}
	return folder
}

// benchTokenizer is a byte-level BPE without merges: one token per byte.
func benchTokenizer() map[string]any {
	vocabulary := map[string]int{"<s>": benchVocabulary - 1}
	for c := byte('!'); c <= '~'; c++ {
		vocabulary[string(rune(c))] = int(c - '!')
	}
	return map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "normalizer": nil, "post_processor": nil,
		"added_tokens":  []any{map[string]any{"id": benchVocabulary - 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}},
		"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"decoder":       map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model": map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "",
			"fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []any{},
		},
	}
}

func writeJSON(b *testing.B, path string, value any) {
	b.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	content, err := json.Marshal(value)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.Fatal(err)
	}
}

// writeSafetensors writes float32 tensors of the given shapes: small random numbers, and
// ones for the gains of norms.
func writeSafetensors(b *testing.B, path string, shapes map[string][]int) {
	b.Helper()
	header := map[string]any{}
	var names []string
	offset := 0
	for name, shape := range shapes {
		size := 4
		for _, n := range shape {
			size *= n
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{offset, offset + size}}
		names = append(names, name)
		offset += size
	}
	text, err := json.Marshal(header)
	if err != nil {
		b.Fatal(err)
	}
	text = append(text, strings.Repeat(" ", -len(text)&7)...) // so that the data are aligned, as released files are
	data := make([]byte, 0, 8+len(text)+offset)
	data = binary.LittleEndian.AppendUint64(data, uint64(len(text)))
	data = append(data, text...)
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		gain := strings.Contains(name, "ln_") && strings.HasSuffix(name, ".weight")
		begin := len(data)
		data = data[:begin+header[name].(map[string]any)["data_offsets"].([]int)[1]-header[name].(map[string]any)["data_offsets"].([]int)[0]]
		for i := begin; i < len(data); i += 4 {
			value := float32(1)
			if !gain {
				value = (random.Float32() - 0.5) * 0.1
			}
			binary.LittleEndian.PutUint32(data[i:], math.Float32bits(value))
		}
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		b.Fatal(err)
	}
}
