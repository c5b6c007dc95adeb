package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"npinf/hub"
	"npinf/kernels"
	"npinf/sae"
)

// The tiny model of these tests: GPT-2 with random weights over bytes.
const (
	tinyWidth  = 8
	tinyHeads  = 2
	tinyLayers = 2
	tinyBytes  = 256 // tokens of the vocabulary besides the BOS
	tinyBOS    = "<s>"
	tinySource = 12 // features of a source
)

// tensors are float32 tensors by name, for a safetensors file.
type tensors map[string]tensor

type tensor struct {
	shape  []int
	values []float32
}

func random(r *rand.Rand, scale float64, shape ...int) tensor {
	count := 1
	for _, n := range shape {
		count *= n
	}
	values := make([]float32, count)
	for i := range values {
		values[i] = float32(r.NormFloat64() * scale)
	}
	return tensor{shape, values}
}

func constant(value float32, shape ...int) tensor {
	t := random(rand.New(rand.NewPCG(0, 0)), 1, shape...)
	for i := range t.values {
		t.values[i] = value
	}
	return t
}

// safetensors writes the file format: a length, a JSON header, the data.
func (ts tensors) safetensors() []byte {
	header := map[string]any{}
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(ts)) {
		begin := len(data)
		for _, value := range ts[name].values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(value))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": ts[name].shape, "data_offsets": []int{begin, len(data)}}
	}
	text := toJSON(header)
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return append(append(file, text...), data...)
}

func toJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// tinyModel is a repository with model and tokenizer.
func tinyModel() fstest.MapFS { return randomModel(tinyWidth, tinyHeads, tinyLayers, 64) }

func randomModel(width, heads, layers, positions int) fstest.MapFS {
	r := rand.New(rand.NewPCG(5, 6))
	weights := tensors{
		"wte.weight": random(r, 1, tinyBytes+1, width), "wpe.weight": random(r, 0.3, positions, width),
		"ln_f.weight": constant(1, width), "ln_f.bias": constant(0, width),
	}
	for layer := range layers {
		prefix := fmt.Sprintf("h.%d.", layer)
		block := tensors{
			"ln_1.weight": constant(1, width), "ln_1.bias": constant(0, width),
			"ln_2.weight": constant(1, width), "ln_2.bias": constant(0, width),
			"attn.c_attn.weight": random(r, 0.5, width, 3*width), "attn.c_attn.bias": random(r, 0.1, 3*width),
			"attn.c_proj.weight": random(r, 0.5, width, width), "attn.c_proj.bias": random(r, 0.1, width),
			"mlp.c_fc.weight": random(r, 0.5, width, 4*width), "mlp.c_fc.bias": random(r, 0.1, 4*width),
			"mlp.c_proj.weight": random(r, 0.5, 4*width, width), "mlp.c_proj.bias": random(r, 0.1, width),
		}
		for name, t := range block {
			weights[prefix+name] = t
		}
	}
	config := map[string]any{"model_type": "gpt2", "architectures": []string{"GPT2LMHeadModel"}, "n_layer": layers, "n_embd": width,
		"n_head": heads, "n_positions": positions, "n_ctx": positions, "vocab_size": tinyBytes + 1, "layer_norm_epsilon": 1e-5,
		"activation_function": "gelu_new", "torch_dtype": "float32"}
	return fstest.MapFS{
		"config.json":           {Data: toJSON(config)},
		"model.safetensors":     {Data: weights.safetensors()},
		"tokenizer.json":        {Data: tinyTokenizer()},
		"tokenizer_config.json": {Data: toJSON(map[string]any{"bos_token": tinyBOS, "eos_token": tinyBOS, "tokenizer_class": "GPT2Tokenizer"})},
	}
}

// tinyTokenizer makes one token of every byte, in GPT-2's spelling of bytes, and a BOS.
func tinyTokenizer() []byte {
	vocabulary := map[string]int{}
	next := rune(256)
	for b := range tinyBytes {
		letter := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae) {
			letter, next = next, next+1
		}
		vocabulary[string(letter)] = b
	}
	bos := map[string]any{"id": tinyBytes, "content": tinyBOS, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}
	level := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	return toJSON(map[string]any{"version": "1.0", "added_tokens": []any{bos}, "normalizer": nil, "pre_tokenizer": level,
		"post_processor": nil, "decoder": level, "truncation": nil, "padding": nil,
		"model": map[string]any{"type": "BPE", "vocab": vocabulary, "merges": []string{}, "unk_token": nil,
			"continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false, "dropout": nil}})
}

// tinySAE is a standard source on a hook of the tiny model. Its encoder may be spoilt.
func tinySAE(t testing.TB, id, hook string, seed uint64, spoil func(tensors)) LocalSource {
	return wideSAE(t, id, hook, seed, tinySource, spoil)
}

// wideSAE is a tinySAE of any number of features.
func wideSAE(t testing.TB, id, hook string, seed uint64, features int, spoil func(tensors)) LocalSource {
	r := rand.New(rand.NewPCG(seed, 9))
	weights := tensors{
		"W_enc": random(r, 1, tinyWidth, features), "b_enc": random(r, 0.1, features),
		"W_dec": random(r, 1, features, tinyWidth), "b_dec": random(r, 0.1, tinyWidth),
	}
	if spoil != nil {
		spoil(weights)
	}
	config := map[string]any{"architecture": "standard", "d_in": tinyWidth, "d_sae": features, "dtype": "float32", "hook_name": hook,
		"model_name": "tiny", "apply_b_dec_to_input": true, "normalize_activations": "none", "neuronpedia_id": "tiny/" + id}
	files, err := hub.OpenFS(id, fstest.MapFS{"cfg.json": {Data: toJSON(config)}, "sae_weights.safetensors": {Data: weights.safetensors()}})
	if err != nil {
		t.Fatal(err)
	}
	return LocalSource{Files: files, Row: sae.Row{NeuronpediaModel: "tiny", Source: id, Set: sae.SetOf(id), ID: id, Repo: id, Dialect: "sae_lens"}}
}

// tinyConfig serves the tiny model with two residual and two attention sources.
func tinyConfig(t testing.TB) (Config, *countingDevice) {
	files, err := hub.OpenFS("tiny", tinyModel())
	if err != nil {
		t.Fatal(err)
	}
	cpu, err := kernels.NewCPU(kernels.CPUOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cpu.Close)
	device := &countingDevice{Device: cpu}
	return Config{Demo: files, Device: device, MemoryBytes: -1, TokenLimit: 64, DemoSources: []LocalSource{
		tinySAE(t, "0-res", "blocks.0.hook_resid_post", 1, nil), tinySAE(t, "1-res", "blocks.1.hook_resid_post", 2, nil),
		tinySAE(t, "0-att-x", "blocks.0.attn.hook_z", 3, nil), tinySAE(t, "1-att-x", "blocks.1.attn.hook_z", 4, nil),
	}}, device
}

func loadTiny(t testing.TB, config Config) *Engine {
	e := New(config)
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// countingDevice counts the buffers and weights that were made and not given back.
type countingDevice struct {
	kernels.Device
	outstanding atomic.Int64
}

func (c *countingDevice) NewBuffer(rows, width int) kernels.Buffer {
	c.outstanding.Add(1)
	return c.Device.NewBuffer(rows, width)
}

func (c *countingDevice) Upload(rows, width int, data []float32) kernels.Buffer {
	c.outstanding.Add(1)
	return c.Device.Upload(rows, width, data)
}

func (c *countingDevice) LoadWeight(m kernels.HostMatrix) (*kernels.Weight, error) {
	w, err := c.Device.LoadWeight(m)
	if err == nil {
		c.outstanding.Add(1)
	}
	return w, err
}

func (c *countingDevice) Unload(w *kernels.Weight) {
	c.outstanding.Add(-1)
	c.Device.Unload(w)
}

func (c *countingDevice) Release(b kernels.Buffer) {
	if !b.IsZero() {
		c.outstanding.Add(-1)
	}
	c.Device.Release(b)
}
