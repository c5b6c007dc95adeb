package kernels

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkInt8 runs a product with int8, bfloat16 and float32 weights in turn, all of them
// cold, and reports the fastest runs: int8's share of the read calibration (bw-share) and of
// the multiply-adds, and how many times as fast it is as the others.
func BenchmarkInt8(b *testing.B) {
	vectorDevices(b, func(b *testing.B, c *CPU) {
		for _, s := range []struct{ in, out int }{{768, 2304}, {3072, 768}, {4096, 4096}} {
			types := []DType{I8, BF16, F32}
			var weights [3][]*Weight
			for i, d := range types {
				weights[i] = coldWeights(b, c, s.out, s.in, d)
			}
			for _, rows := range []int{1, 4, 8, 12, 16, 24, 32, 128} {
				b.Run(fmt.Sprintf("%dx%d/rows=%d", s.in, s.out, rows), func(b *testing.B) {
					x := c.Upload(rows, s.in, random(newRand(2), rows*s.in))
					y := c.NewBuffer(rows, s.out)
					best := c.Calibrate(coldMemory())
					seconds := [3]float64{1, 1, 1}
					b.ResetTimer()
					for n := range b.N {
						for i, list := range weights {
							start := time.Now()
							c.Linear(y, x, list[n%len(list)], Buffer{}, false)
							seconds[i] = min(seconds[i], time.Since(start).Seconds())
						}
					}
					b.StopTimer()
					best = best.Best(c.Calibrate(coldMemory()))
					b.ReportMetric(float64(weights[0][0].Bytes())/seconds[0]/best.Read, "bw-share")
					b.ReportMetric(float64(rows*s.in*s.out)/seconds[0]/best.FMA, "fma-share")
					b.ReportMetric(seconds[1]/seconds[0], "x-bf16")
					b.ReportMetric(seconds[2]/seconds[0], "x-f32")
				})
			}
		}
	})
}

// BenchmarkQuantize turns matrices of the other types into int8, as a load does.
func BenchmarkQuantize(b *testing.B) {
	vectorDevices(b, func(b *testing.B, c *CPU) {
		for d := F32; d <= F16; d++ {
			stored := coldWeights(b, c, 4096, 4096, d)
			for _, transposed := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/transposed=%v", d, transposed), func(b *testing.B) {
					benchmarkShares(b, c, 0, float64(stored[0].Bytes()), func(i int) {
						m := HostMatrix{Data: storedBytes(stored[i%len(stored)]), DType: d, Out: 4096, In: 4096, Transposed: transposed}
						if _, err := c.quantized(m); err != nil {
							b.Error(err)
						}
					})
				})
			}
		}
	})
}
