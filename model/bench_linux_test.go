package model

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"npinf/kernels"
)

// A GPT-2 small: 124 million parameters in Conv1D layout, random.
const benchGPT2 = `{"model_type":"gpt2","n_layer":12,"n_embd":768,"n_head":12,"n_positions":1024,"vocab_size":50257,
	"activation_function":"gelu_new","layer_norm_epsilon":1e-5,"torch_dtype":"float32"}`

// A Llama of 190 million parameters, most of them in separate projections.
const benchLlama = `{"model_type":"llama","hidden_size":1024,"intermediate_size":2816,"num_hidden_layers":12,"num_attention_heads":16,
	"num_key_value_heads":4,"vocab_size":32000,"eos_token_id":2,"tie_word_embeddings":true,"torch_dtype":"float32"}`

var benchConfigs = map[string]string{"gpt2": benchGPT2, "llama": benchLlama}

// benchDevice is the device that NPINF_CPU and NPINF_THREADS ask for, the best by default.
func benchDevice(b *testing.B) *kernels.CPU {
	b.Helper()
	path, err := kernels.PathFromEnv(os.Getenv)
	if err != nil {
		b.Fatal(err)
	}
	threads := 0
	fmt.Sscan(os.Getenv("NPINF_BENCH_THREADS"), &threads)
	device, err := kernels.NewCPU(kernels.CPUOptions{Path: path, Threads: threads})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(device.Close)
	return device
}

// benchModel makes a model with small random weights; shared by the benchmarks of a type.
func benchModel(b *testing.B, device kernels.Device, config, dtype string) *Model {
	b.Helper()
	files := scaledModel(b, config, 0.02)
	m, err := Load(context.Background(), files, Options{Device: device, DType: dtype, Borrow: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return m
}

// trunkWeights counts the multiplications of one row in the matrices of the blocks, and
// those of the output matrix.
func trunkWeights(m *Model) (trunk, head float64) {
	m.arch.eachLinear(func(l *linear) { trunk += float64(l.out) * float64(l.in) })
	for i := range m.arch.blocks {
		if fused := m.arch.blocks[i].attention.fused; fused != nil {
			trunk += float64(fused.out) * float64(fused.in)
		}
	}
	for _, l := range []*linear{m.arch.embedding.tokens, m.arch.embedding.positions} {
		if l != nil {
			trunk -= float64(l.out) * float64(l.in)
		}
	}
	return trunk, float64(m.arch.head.output.out) * float64(m.arch.head.output.in)
}

// clock is the time of this thread when the device has no other, so that the processes
// that share the machine count less; else the time of day.
func clock(b *testing.B, device *kernels.CPU) time.Duration {
	if device.Threads() > 1 {
		return time.Duration(time.Now().UnixNano())
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		b.Fatal(err)
	}
	return time.Duration(now.Nano())
}

// measureShares runs op b.N times, with a calibration before every tenth, and returns the
// fastest run and the best calibration.
func measureShares(b *testing.B, device *kernels.CPU, op func()) (seconds float64, best kernels.Calibration) {
	fastest, best := inTurn(b, device, []func(){op})
	return fastest[0].Seconds(), best
}

// inTurn runs the steps b.N times in turn, with a calibration before every tenth, and returns
// the fastest run of each and the best calibration. All of them run on devices with as many
// threads as the given one.
func inTurn(b *testing.B, device *kernels.CPU, steps []func()) (fastest []time.Duration, best kernels.Calibration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	memory := make([]byte, kernels.CalibrationBytes)
	for i := range memory {
		memory[i] = 1
	}
	for _, step := range steps {
		step()
		fastest = append(fastest, time.Hour)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%10 == 0 {
			b.StopTimer()
			best = best.Best(device.Calibrate(memory))
			b.StartTimer()
		}
		for j, step := range steps {
			start := clock(b, device)
			step()
			fastest[j] = min(fastest[j], clock(b, device)-start)
		}
	}
	return fastest, best
}

// benchStep is a prompt of so many tokens for the logits of its last, or with one row the next
// token behind 32 to 96 others.
func benchStep(b *testing.B, m *Model, device *kernels.CPU, rows int) func() {
	s := &Sequence{Tokens: make([]int, rows), Want: LastLogits}
	if rows == 1 {
		s.Cache = m.NewCache(0)
		b.Cleanup(s.Cache.Release)
		mustForward(b, m, &Sequence{Tokens: make([]int, 32), Cache: s.Cache})
	}
	return func() {
		if rows == 1 && s.Cache.Len() > 96 {
			s.Cache.Truncate(32)
		}
		mustForward(b, m, s)
		device.Release(s.Logits)
	}
}

// BenchmarkDecode generates greedily behind 32 tokens, one sequence. bw-share is the weight
// bytes of a token over what memory delivers.
func BenchmarkDecode(b *testing.B) {
	for name := range benchConfigs {
		for _, dtype := range []string{"float32", "bfloat16"} {
			b.Run(name+"/"+dtype, func(b *testing.B) {
				device := benchDevice(b)
				m := benchModel(b, device, benchConfigs[name], dtype)
				seconds, best := measureShares(b, device, benchStep(b, m, device, 1))
				trunk, head := trunkWeights(m)
				size := float64(m.arch.head.output.weight.DType.Size())
				b.ReportMetric((trunk+head)*size/seconds/best.Read, "bw-share")
				b.ReportMetric(seconds*1e3, "best-ms")
			})
		}
	}
}

// BenchmarkPrefill runs prompts for the logits of their last token. x-ideal is the time
// over that of the multiplications alone, where the last layer needs one row of the MLP.
func BenchmarkPrefill(b *testing.B) {
	for _, rows := range []int{8, 12, 24, 32, 128, 512} {
		b.Run(fmt.Sprintf("gpt2/rows=%d", rows), func(b *testing.B) {
			device := benchDevice(b)
			m := benchModel(b, device, benchGPT2, "float32")
			seconds, best := measureShares(b, device, benchStep(b, m, device, rows))
			trunk, head := trunkWeights(m)
			ideal := max((trunk*float64(rows)+head)/best.FMA, 4*(trunk+head)/best.Read)
			b.ReportMetric(seconds/ideal, "x-ideal")
			b.ReportMetric(seconds*1e3, "best-ms")
		})
	}
}
