package kernels

import (
	"math"
	"testing"
)

// naiveNorm normalises a group in float64, straight from the definitions.
func naiveNorm(x []float32, kind NormKind, eps float64) []float64 {
	n := float64(len(x))
	var mean, squares, centred float64
	for _, v := range x {
		mean += float64(v) / n
		squares += float64(v) * float64(v)
	}
	for _, v := range x {
		centred += (float64(v) - mean) * (float64(v) - mean)
	}
	y := make([]float64, len(x))
	for i, v := range x {
		switch kind {
		case RMSNorm:
			y[i] = float64(v) / math.Sqrt(squares/n+eps)
		case LayerNorm:
			y[i] = (float64(v) - mean) / math.Sqrt(centred/n+eps)
		case SampleNorm:
			y[i] = (float64(v) - mean) / (math.Sqrt(centred/(n-1)) + eps)
		case LengthNorm:
			y[i] = float64(v) * math.Sqrt(n) / math.Sqrt(squares)
		}
	}
	return y
}

func TestNormAgainstNaive(t *testing.T) {
	shapes := []struct{ width, group int }{{7, 0}, {8, 0}, {24, 8}, {30, 10}, {64, 0}, {96, 32}, {768, 0}}
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(11)
		for _, s := range shapes {
			for kind := RMSNorm; kind <= LengthNorm; kind++ {
				for parameters := range 3 { // none, one per group, one per column
					testNorm(t, c, Norm{Kind: kind, Eps: 1e-5, Group: s.group}, s.width, parameters, random(r, 3*s.width), random(r, 2*s.width))
				}
			}
		}
	})
}

func testNorm(t *testing.T, c *CPU, n Norm, width, parameters int, x, p []float32) {
	t.Helper()
	group := n.Group
	if group == 0 {
		group = width
	}
	size := 0
	if parameters > 0 {
		size = []int{0, group, width}[parameters]
		n.Gain, n.Bias = c.Upload(1, size, p[:size]), c.Upload(1, size, p[width:width+size])
	}
	for i := range x {
		x[i] = x[i]*3 + 100 // a large mean, which one-pass formulas lose
	}
	src := c.Upload(3, width, x)
	dst, intact := framed(t, c, 3, width)
	c.Norm(dst, src, n)
	intact()
	c.Norm(src, src, n)
	for r := range 3 {
		for at := 0; at < width; at += group {
			want := naiveNorm(x[r*width+at:r*width+at+group], n.Kind, float64(n.Eps))
			for i, w := range want {
				if size > 0 {
					w = w*float64(n.Gain.host[(at+i)%size]) + float64(n.Bias.host[(at+i)%size])
				}
				got := dst.row(r)[at+i]
				if !(math.Abs(float64(got)-w) <= 1e-6*max(1, math.Abs(w))) || src.row(r)[at+i] != got {
					t.Fatalf("kind %d, width %d, group %d: [%d][%d] is %v, in place %v, want %v", n.Kind, width, group, r, at+i, got, src.row(r)[at+i], w)
				}
			}
		}
	}
}

func TestNormOfZerosAndNaN(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for kind := RMSNorm; kind <= LengthNorm; kind++ {
			x := c.Upload(2, 16, make([]float32, 32))
			x.row(1)[9] = float32(math.NaN())
			c.Norm(x, x, Norm{Kind: kind, Eps: 1e-5})
			if got := x.row(0)[3]; (kind == LengthNorm) != (got != got) || got == got && got != 0 {
				t.Errorf("kind %d: a zero row became %v", kind, got)
			}
			for i, v := range x.row(1) {
				if v == v {
					t.Errorf("kind %d: element %d of a row with a NaN is %v", kind, i, v)
				}
			}
		}
	})
}

func TestRotate(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(12)
		for _, k := range []struct{ heads, headDim, rotary int }{{1, 2, 2}, {2, 64, 64}, {3, 20, 12}, {2, 48, 40}} {
			for _, interleaved := range []bool{false, true} {
				half := k.rotary / 2
				x, intact := framed(t, c, 5, k.heads*k.headDim)
				before := random(r, 5*k.heads*k.headDim)
				c.Copy(x, c.Upload(5, k.heads*k.headDim, before))
				cos, sin := c.Upload(5, half, random(r, 5*half)), c.Upload(5, half, random(r, 5*half))
				c.Rotate(x, Rotation{Cos: cos, Sin: sin, Heads: k.heads, HeadDim: k.headDim, RotaryDim: k.rotary, Interleaved: interleaved})
				intact()
				for i := range before {
					row, d := i/(k.heads*k.headDim), i%k.headDim
					want := float64(before[i])
					if d < k.rotary {
						pair, sign, other := d%half, -1.0, d+half
						if d >= half {
							sign, other = 1, d-half
						}
						if interleaved {
							pair, sign, other = d/2, []float64{-1, 1}[d%2], d^1
						}
						want = want*float64(cos.row(row)[pair]) + sign*float64(before[i-d+other])*float64(sin.row(row)[pair])
					}
					if got := x.row(row)[i%(k.heads*k.headDim)]; !near(float64(got), want, 1e-6) {
						t.Fatalf("%+v, interleaved %v: element %d is %v, want %v", k, interleaved, i, got, want)
					}
				}
			}
		}
	})
}
