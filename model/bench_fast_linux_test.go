package model

import (
	"context"
	"fmt"
	"os"
	"testing"

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
				steps[i] = benchStep(b, m, devices[i], rows)
			}
			fastest, best := inTurn(b, devices[1], steps[:])
			trunk, head := trunkWeights(models[1])
			b.ReportMetric(fastest[1].Seconds()*1e3, "best-ms")
			b.ReportMetric(fastest[0].Seconds()*1e3, "exact-ms")
			b.ReportMetric(fastest[0].Seconds()/fastest[1].Seconds(), "x-exact")
			b.ReportMetric(2*(trunk+head)/fastest[1].Seconds()/best.Read, "bw-share")
			b.ReportMetric(2*(trunk+head)/fastest[0].Seconds()/best.Read, "exact-bw-share")
		})
	}
}
