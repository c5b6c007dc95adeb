package kernels

import (
	"fmt"
	"sync"
	"testing"
)

var coldMemory = sync.OnceValue(func() []byte {
	b := make([]byte, CalibrationBytes)
	for i := range b {
		b[i] = 1
	}
	return b
})

// benchmarkShares runs op b.N times and reports the speed of the fastest run as shares of
// calibrations taken around it: of the multiply-adds and of the read bandwidth.
func benchmarkShares(b *testing.B, c *CPU, multiplications, bytes float64, op func(i int)) {
	op(0)
	before := c.Calibrate(coldMemory())
	b.ResetTimer()
	seconds := fastest(b.N, op).Seconds()
	b.StopTimer()
	best := before.Best(c.Calibrate(coldMemory()))
	b.ReportMetric(multiplications/seconds/best.FMA, "fma-share")
	b.ReportMetric(bytes/seconds/best.Read, "bw-share")
	b.ReportMetric(2*multiplications/seconds/1e9, "GFLOP/s")
	b.ReportMetric(seconds*1e6, "best-us")
}

// vectorDevices runs a benchmark on every vector path with one thread and with two.
func vectorDevices(b *testing.B, run func(b *testing.B, c *CPU)) {
	for _, path := range []string{"avx512", "avx2"} {
		if !HasPath(path) {
			continue
		}
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", path, threads), func(b *testing.B) {
				c, err := NewCPU(CPUOptions{Path: path, Threads: threads})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				run(b, c)
			})
		}
	}
}

// coldWeights returns enough copies of a weight that using them in turn finds none in a cache.
func coldWeights(b *testing.B, c *CPU, out, in int, d DType) []*Weight {
	count := max(CalibrationBytes/(out*in*d.Size()), 1)
	values := random(newRand(1), out*in)
	list := make([]*Weight, count)
	for i := range list {
		w, err := c.LoadWeight(HostMatrix{Data: floatBytes(values), Out: out, In: in, Convert: &d})
		if err != nil {
			b.Fatal(err)
		}
		list[i] = w
	}
	return list
}

func BenchmarkLinear(b *testing.B) {
	vectorDevices(b, func(b *testing.B, c *CPU) {
		for _, d := range []DType{F32, BF16, F16} {
			for _, s := range []struct{ in, out int }{{768, 2304}, {3072, 768}, {4096, 4096}, {768, 24576}} {
				weights := coldWeights(b, c, s.out, s.in, d)
				for _, rows := range []int{1, 4, 8, 16, 32, 128, 512} {
					b.Run(fmt.Sprintf("%s/%dx%d/rows=%d", d, s.in, s.out, rows), func(b *testing.B) {
						x := c.Upload(rows, s.in, random(newRand(2), rows*s.in))
						y := c.NewBuffer(rows, s.out)
						benchmarkShares(b, c, float64(rows*s.in*s.out), float64(weights[0].Bytes()), func(i int) {
							c.Linear(y, x, weights[i%len(weights)], Buffer{}, false)
						})
					})
				}
			}
		}
	})
}

// Encodings of a 768 → 24576 autoencoder. No benchmark may allocate in proportion to
// rows × features.
func BenchmarkEncodePeaks(b *testing.B) {
	benchmarkEncode(b, EncodeReLU, func(c *CPU, x Buffer, e *Encoder) { c.EncodePeaks(x, e, PeakOptions{Top: 25}) })
}

func BenchmarkEncodePeaksTopK(b *testing.B) {
	benchmarkEncode(b, EncodeTopK, func(c *CPU, x Buffer, e *Encoder) { c.EncodePeaks(x, e, PeakOptions{Top: 25}) })
}

func BenchmarkEncodeTopPerRow(b *testing.B) {
	benchmarkEncode(b, EncodeReLU, func(c *CPU, x Buffer, e *Encoder) { c.EncodeTopPerRow(x, e, 10) })
}

func BenchmarkEncodeActive(b *testing.B) {
	benchmarkEncode(b, EncodeReLU, func(c *CPU, x Buffer, e *Encoder) { c.EncodeActive(x, e) })
}

func benchmarkEncode(b *testing.B, kind EncoderKind, run func(c *CPU, x Buffer, e *Encoder)) {
	vectorDevices(b, func(b *testing.B, c *CPU) {
		const in, out = 768, 24576
		bias := make([]float32, out)
		for i := range bias {
			bias[i] = -80 // 50 features fire in a row, as in a trained autoencoder
		}
		for _, d := range []DType{F32, BF16} {
			weights := coldWeights(b, c, out, in, d)
			for _, rows := range []int{1, 8, 32, 128} {
				b.Run(fmt.Sprintf("%s/rows=%d", d, rows), func(b *testing.B) {
					b.ReportAllocs()
					x := c.Upload(rows, in, random(newRand(2), rows*in))
					e := Encoder{Kind: kind, K: 32, Features: out, Width: in, Bias: c.Upload(1, out, bias)}
					benchmarkShares(b, c, float64(rows*in*out), float64(weights[0].Bytes()), func(i int) {
						e.W = weights[i%len(weights)]
						run(c, x, &e)
					})
				})
			}
		}
	})
}

// BenchmarkForward runs the operations of a GPT-2-small forward pass (12 layers of 768)
// and reports them as shares of the multiplications and the weight bytes alone.
func BenchmarkForward(b *testing.B) {
	vectorDevices(b, func(b *testing.B, c *CPU) {
		const layers, width = 12, 768
		load := func(out, in int) (list []*Weight) {
			for range layers {
				values := random(newRand(1), out*in)
				for i := range values {
					values[i] *= 0.03 // as in a trained model: activations stay near 1
				}
				w, err := c.LoadWeight(HostMatrix{Data: floatBytes(values), Out: out, In: in})
				if err != nil {
					b.Fatal(err)
				}
				list = append(list, w)
			}
			return
		}
		qkv, out, up, down := load(3*width, width), load(width, width), load(4*width, width), load(width, 4*width)
		gain := c.Upload(1, width, random(newRand(3), width))
		norm := Norm{Kind: LayerNorm, Gain: gain, Bias: gain, Eps: 1e-5}
		for _, rows := range []int{1, 32, 128} {
			b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
				x := c.Upload(rows, width, random(newRand(2), rows*width))
				h, q, z, m := c.NewBuffer(rows, width), c.NewBuffer(rows, 3*width), c.NewBuffer(rows, width), c.NewBuffer(rows, 4*width)
				a := Attention{Q: c.View(q, 0, rows, 0, width), K: c.View(q, 0, rows, width, width), V: c.View(q, 0, rows, 2*width, width),
					Out: z, Heads: 12, KVHeads: 12, HeadDim: 64, ValueDim: 64, Scale: 0.125}
				weights := float64(12 * layers * width * width)
				benchmarkShares(b, c, float64(rows)*weights, 4*weights, func(int) {
					for l := range layers {
						c.Norm(h, x, norm)
						c.Linear(q, h, qkv[l], Buffer{}, false)
						c.Attend(a)
						c.Linear(x, z, out[l], gain, true)
						c.Norm(h, x, norm)
						c.Linear(m, h, up[l], Buffer{}, false)
						c.Activate(m, m, GELUTanh)
						c.Linear(x, m, down[l], gain, true)
						c.Norm(x, x, norm) // keeps the numbers in range
					}
				})
			})
		}
	})
}
