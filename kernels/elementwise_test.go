package kernels

import (
	"math"
	"math/big"
	"testing"
)

// exact returns f(x) computed in float64.
func exact(f Activation, x float64) float64 {
	switch f {
	case ReLU:
		return max(x, 0)
	case GELU:
		return x * math.Erfc(-x/math.Sqrt2) / 2
	case GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case SiLU:
		return x / (1 + math.Exp(-x))
	case QuickGELU:
		return x / (1 + math.Exp(-1.702*x))
	case Sigmoid:
		return 1 / (1 + math.Exp(-x))
	}
	return x
}

// sweep is a range of arguments dense enough to meet every branch of the functions.
func sweep(limit float64, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(limit * (2*float64(i)/float64(n-1) - 1))
	}
	return s
}

// Activations stay within 2.5e-7 of the exact value, relative to the larger of 1 and the argument.
func TestActivate(t *testing.T) {
	inputs := append(sweep(12, 20011), sweep(200, 4003)...)
	inputs = append(inputs, 0, 1e-30, -1e-30, 1e30, -1e30, math.MaxFloat32)
	eachDevice(t, func(t *testing.T, c *CPU) {
		for f := Identity; f <= Sigmoid; f++ {
			src := c.Upload(1, len(inputs), inputs)
			dst, intact := framed(t, c, 1, len(inputs))
			c.Activate(dst, src, f)
			intact()
			worst, at := 0.0, float32(0)
			for i, got := range dst.row(0) {
				e := math.Abs(float64(got)-exact(f, float64(inputs[i]))) / max(1, math.Abs(float64(inputs[i])))
				if !(e <= worst) {
					worst, at = e, inputs[i]
				}
			}
			if !(worst <= 2.5e-7) {
				t.Errorf("activation %d: error %.2g at %v", f, worst, at)
			}
			t.Logf("activation %d: worst error %.2g at %v", f, worst, at)
		}
	})
}

func TestActivateKeepsNaNAndInfinity(t *testing.T) {
	inf := float32(math.Inf(1))
	eachDevice(t, func(t *testing.T, c *CPU) {
		for f := Identity; f <= Sigmoid; f++ {
			x := c.Upload(1, 19, make([]float32, 19))
			for _, i := range []int{3, 17} {
				x.host[i], x.host[i-1] = float32(math.NaN()), inf
			}
			c.Activate(x, x, f)
			for i, v := range x.host {
				nan, wantInf := i == 3 || i == 17, (i == 2 || i == 16) && f != Sigmoid
				if (v != v) != nan || math.IsInf(float64(v), 1) != wantInf {
					t.Errorf("activation %d: element %d is %v", f, i, v)
				}
			}
		}
	})
}

func TestGateAddScaleSoftcap(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(5)
		for _, width := range []int{1, 7, 8, 16, 31, 100} {
			a, b := c.Upload(3, width, random(r, 3*width)), c.Upload(3, width, random(r, 3*width))
			row := c.Upload(1, width, random(r, width))
			check := func(name string, run func(dst Buffer), want func(i, j int) float64) {
				t.Helper()
				dst, intact := framed(t, c, 3, width)
				run(dst)
				intact()
				for i := range 3 {
					for j, got := range dst.row(i) {
						if w := want(i, j); !near(float64(got), w, 3e-7*max(1, math.Abs(w))) {
							t.Fatalf("%s, width %d: [%d][%d] is %v, want %v", name, width, i, j, got, w)
						}
					}
				}
			}
			at := func(b Buffer, i, j int) float64 { return float64(b.row(i)[j]) }
			check("gate", func(d Buffer) { c.Gate(d, a, b, SiLU) }, func(i, j int) float64 { return exact(SiLU, at(a, i, j)) * at(b, i, j) })
			check("add", func(d Buffer) { c.Add(d, a, b) }, func(i, j int) float64 { return at(a, i, j) + at(b, i, j) })
			check("scale", func(d Buffer) { c.Scale(d, a, -1.5) }, func(i, j int) float64 { return -1.5 * at(a, i, j) })
			check("add row", func(d Buffer) { c.AddRow(d, a, row, 2) }, func(i, j int) float64 { return at(a, i, j) + 2*at(row, 0, j) })
			check("softcap", func(d Buffer) { c.Softcap(d, a, 0.7) }, func(i, j int) float64 { return 0.7 * math.Tanh(at(a, i, j)/float64(float32(0.7))) })
			check("gate in place", func(d Buffer) { c.Copy(d, a); c.Gate(d, d, b, GELU) }, func(i, j int) float64 { return exact(GELU, at(a, i, j)) * at(b, i, j) })
		}
	})
}

func TestSoftcapIsAccurate(t *testing.T) {
	inputs := append(sweep(3, 10007), sweep(400, 5003)...)
	eachDevice(t, func(t *testing.T, c *CPU) {
		x := c.Upload(1, len(inputs), inputs)
		c.Softcap(x, x, 30)
		for i, got := range x.host {
			want := 30 * math.Tanh(float64(inputs[i])/30)
			if !(math.Abs(float64(got)-want) <= 3e-7*math.Abs(want)) {
				t.Fatalf("softcap of %v: %v, want %v", inputs[i], got, want)
			}
		}
	})
}

// The 16-bit types against the definition: every pattern widens and rounds back to
// itself, and halfway cases go to the even neighbour.
func TestHalfConversions(t *testing.T) {
	for u := range 1 << 16 {
		h := uint16(u)
		if f := F16ToF32(h); f == f && F32ToF16(f) != h {
			t.Fatalf("float16 %#04x widens to %v, which rounds to %#04x", h, f, F32ToF16(f))
		}
		if f := BF16ToF32(h); f == f && F32ToBF16(f) != h {
			t.Fatalf("bfloat16 %#04x widens to %v, which rounds to %#04x", h, f, F32ToBF16(f))
		}
	}
	for u := range uint16(0x7bff) { // the positive finite halves but the largest
		low, high := float64(F16ToF32(u)), float64(F16ToF32(u+1))
		even := u + u&1
		if got := F32ToF16(float32((low + high) / 2)); got != even {
			t.Fatalf("halfway between %#04x and its neighbour rounds to %#04x", u, got)
		}
	}
	if F32ToF16(65520) != 0x7c00 || F32ToF16(65519.996) != 0x7bff {
		t.Error("the overflow of float16 is not at 65520")
	}
	nan := float32(math.NaN())
	if n := F16ToF32(F32ToF16(nan)); n == n {
		t.Error("a NaN was lost in float16")
	}
	if n := BF16ToF32(F32ToBF16(math.Float32frombits(0x7f800001))); n == n {
		t.Error("a NaN was lost in bfloat16")
	}
	if F32ToBF16(math.Float32frombits(0x3f808000)) != 0x3f80 || F32ToBF16(math.Float32frombits(0x3f818000)) != 0x3f82 {
		t.Error("bfloat16 does not round ties to even")
	}
	if want, _ := big.NewFloat(5.9604644775390625e-8).Float32(); F16ToF32(1) != want {
		t.Error("the smallest float16 is not 2⁻²⁴")
	}
}
