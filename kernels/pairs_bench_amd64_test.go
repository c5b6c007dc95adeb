package kernels

import (
	"fmt"
	"testing"
)

// BenchmarkPairs is BenchmarkLinear for bfloat16 weights, exact beside fast in turn. Shares
// are of the float32 multiply-adds, of the bfloat16 ones and of the read bandwidth.
func BenchmarkPairs(b *testing.B) {
	if !havePairs() {
		b.Skip("this machine has no AVX512_BF16")
	}
	for _, threads := range []int{1, 2} {
		exact, fast := benchPairsDevice(b, threads, false), benchPairsDevice(b, threads, true)
		for _, s := range []struct{ in, out int }{{768, 2304}, {3072, 768}, {4096, 4096}} {
			weights := coldWeights(b, exact, s.out, s.in, BF16)
			for _, rows := range []int{1, 4, 8, 16, 24, 32, 128, 512} {
				b.Run(fmt.Sprintf("threads=%d/%dx%d/rows=%d", threads, s.in, s.out, rows), func(b *testing.B) {
					benchmarkPairs(b, exact, fast, weights, rows)
				})
			}
		}
	}
}

func benchPairsDevice(b *testing.B, threads int, fast bool) *CPU {
	c, err := NewCPU(CPUOptions{Threads: threads, FastBF16: fast})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

func benchmarkPairs(b *testing.B, exact, fast *CPU, weights []*Weight, rows int) {
	in, out := weights[0].In, weights[0].Out
	x, y := exact.Upload(rows, in, random(newRand(2), rows*in)), exact.NewBuffer(rows, out)
	run := func(c *CPU, w *Weight) {
		allowed := *w
		allowed.pairs = c.fastBF16
		c.Linear(y, x, &allowed, Buffer{}, false)
	}
	best := fast.Calibrate(coldMemory())
	b.ResetTimer()
	var seconds [2]float64
	for i := range max(b.N, 2) {
		for j, c := range []*CPU{exact, fast} {
			took := fastest(1, func(int) { run(c, weights[(2*i+j)%len(weights)]) }).Seconds()
			if i == 0 || took < seconds[j] {
				seconds[j] = took
			}
		}
	}
	b.StopTimer()
	best = best.Best(fast.Calibrate(coldMemory()))
	multiplications := float64(rows * in * out)
	b.ReportMetric(multiplications/seconds[1]/best.FMA, "fma-share")
	b.ReportMetric(multiplications/seconds[1]/best.Pairs, "pairs-share")
	b.ReportMetric(float64(weights[0].Bytes())/seconds[1]/best.Read, "bw-share")
	b.ReportMetric(float64(weights[0].Bytes())/seconds[0]/best.Read, "exact-bw-share")
	b.ReportMetric(seconds[0]/seconds[1], "x-exact")
}
