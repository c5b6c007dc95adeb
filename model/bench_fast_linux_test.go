package model

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"npinf/kernels"
)

// BenchmarkFast runs the shape of GPT-2 small with bfloat16 weights: prompts for the logits of
// their last token, and one token behind 32 others, with exact and fast products in turn.
// x-exact is how many times faster the fastest run with fast products is.
func BenchmarkFast(b *testing.B) {
	if !kernels.HasFastBF16() {
		b.Skip("no fast bf16 products here")
	}
	threads := 0
	fmt.Sscan(os.Getenv("NPINF_BENCH_THREADS"), &threads)
	files := scaledModel(b, benchGPT2, 0.02)
	var devices [2]*kernels.CPU
	var models [2]*Model
	for i := range models {
		device, err := kernels.NewCPU(kernels.CPUOptions{Threads: threads, FastBF16: i == 1})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(device.Close)
		devices[i] = device
		if models[i], err = Load(context.Background(), files, Options{Device: device, DType: "bfloat16", Borrow: true}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { models[i].Close() })
	}
	for _, rows := range []int{1, 8, 32, 128, 512} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			var steps [2]func()
			for i, m := range models {
				s := &Sequence{Tokens: make([]int, rows), Want: LastLogits}
				if rows == 1 {
					s.Cache = m.NewCache(0)
					b.Cleanup(s.Cache.Release)
					mustForward(b, m, &Sequence{Tokens: make([]int, 32), Cache: s.Cache})
				}
				steps[i] = func() {
					if rows == 1 && s.Cache.Len() > 96 {
						s.Cache.Truncate(32)
					}
					mustForward(b, m, s)
					devices[i].Release(s.Logits)
				}
			}
			inTurn(b, devices, models[1], steps)
		})
	}
}

// inTurn runs both steps b.N times in turn, with a calibration before every tenth.
func inTurn(b *testing.B, devices [2]*kernels.CPU, m *Model, steps [2]func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	memory := make([]byte, kernels.CalibrationBytes)
	for i := range memory {
		memory[i] = 1
	}
	best, fastest := kernels.Calibration{}, [2]time.Duration{time.Hour, time.Hour}
	for _, step := range steps {
		step()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%10 == 0 {
			b.StopTimer()
			best = best.Best(devices[1].Calibrate(memory))
			b.StartTimer()
		}
		for j, step := range steps {
			start := clock(b, devices[j])
			step()
			fastest[j] = min(fastest[j], clock(b, devices[j])-start)
		}
	}
	trunk, head := trunkWeights(m)
	b.ReportMetric(fastest[1].Seconds()*1e3, "best-ms")
	b.ReportMetric(fastest[0].Seconds()*1e3, "exact-ms")
	b.ReportMetric(fastest[0].Seconds()/fastest[1].Seconds(), "x-exact")
	b.ReportMetric(2*(trunk+head)/fastest[1].Seconds()/best.Read, "bw-share")
	b.ReportMetric(2*(trunk+head)/fastest[0].Seconds()/best.Read, "exact-bw-share")
}
