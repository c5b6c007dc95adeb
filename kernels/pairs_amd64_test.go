package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// eachFastDevice runs a test on devices that round rows, with one thread and with two.
func eachFastDevice(t *testing.T, test func(t *testing.T, c *CPU)) {
	if !havePairs() {
		t.Skip("this machine has no AVX512_BF16")
	}
	for _, threads := range []int{1, 2} {
		t.Run(fmt.Sprint(threads), func(t *testing.T) {
			c, err := NewCPU(CPUOptions{FastBF16: true, Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			test(t, c)
		})
	}
}

// pairsWeight makes a bfloat16 weight that may be multiplied with rounded rows, two bytes off
// alignment and with NaN in front of it and behind it: reading beyond it would show.
func pairsWeight(t testing.TB, c *CPU, r *rand.Rand, out, in int) *Weight {
	t.Helper()
	memory := make([]uint16, out*in+4)
	for i := range memory {
		memory[i] = 0x7fff
	}
	inner := memory[1 : 1+out*in]
	F32sToBF16s(inner, random(r, out*in))
	w := &Weight{Out: out, In: in, DType: BF16, u16: inner, pairs: c.fastBF16}
	return w
}

// rounded returns values as bfloat16 has them.
func rounded(values []float32) []float32 {
	result := make([]float32, len(values))
	for i, v := range values {
		result[i] = BF16ToF32(F32ToBF16(v))
	}
	return result
}

// The reference rounds x to bfloat16 and sums in float64; what is allowed is the rounding of
// float32 sums, as in TestLinearAgainstNaive.
func TestPairsAgainstNaive(t *testing.T) {
	shapes := []struct{ in, out int }{{1, 1}, {2, 3}, {3, 5}, {31, 9}, {32, 16}, {33, 50}, {64, 100}, {65, 7}, {385, 51}, {769, 97}, {800, 40}}
	eachFastDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(61)
		for _, s := range shapes {
			w := pairsWeight(t, c, r, s.out, s.in)
			values := make([]float32, len(w.u16))
			BF16sToF32s(values, w.u16)
			for rows := 1; rows <= 40; rows++ {
				testPairs(t, c, r, w, values, rows)
			}
			testPairs(t, c, r, w, values, 73)
			testPairs(t, c, r, w, values, 128)
		}
	})
}

func testPairs(t *testing.T, c *CPU, r *rand.Rand, w *Weight, values []float32, rows int) {
	t.Helper()
	x, _ := framed(t, c, rows, w.In)
	c.Copy(x, c.Upload(rows, w.In, random(r, rows*w.In)))
	dst, intact := framed(t, c, rows, w.Out)
	c.Linear(dst, x, w, Buffer{}, false)
	intact()
	for i := range rows {
		row := rounded(x.row(i))
		for o, got := range dst.row(i) {
			want, size := naive(row, values[o*w.In:(o+1)*w.In])
			if tol := 6e-8 * math.Sqrt(float64(w.In+8)) * (size + 4); !(math.Abs(float64(got)-want) <= tol) {
				t.Fatalf("%d->%d, %d rows: row %d, output %d: %v, want %v", w.In, w.Out, rows, i, o, got, want)
			}
		}
	}
}

// Each number of a row becomes what the Go loop makes of it, but for subnormal ones: the
// instruction takes them for zeros.
func TestRoundPairs(t *testing.T) {
	if !havePairs() {
		t.Skip("this machine has no AVX512_BF16")
	}
	special := []uint32{0, 1 << 31, 0x7f800000, 0xff800000, 0x7f7fffff, 0x7f7f8000, 0x7f7f7fff, 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7fc00000, 0xffc12345, 0x7f800001, 0x00800000}
	r := newRand(62)
	for range 200 {
		src, want, got := make([]float32, 96), make([]uint16, 96), make([]uint16, 98)
		for i := range src {
			bits := r.Uint32()
			if i%4 == 0 {
				bits = special[r.IntN(len(special))]
			}
			src[i] = math.Float32frombits(bits)
		}
		F32sToBF16s(want, src)
		got[0], got[97] = 1, 1
		roundPairs(&got[1], &src[0], len(src))
		for i, u := range got[1:97] {
			if math.Abs(float64(src[i])) < 0x1p-126 {
				want[i] &= 0x8000
			}
			if u != want[i] {
				t.Fatalf("%08x becomes %04x, want %04x", math.Float32bits(src[i]), u, want[i])
			}
		}
		if got[0] != 1 || got[97] != 1 {
			t.Fatal("wrote outside the result")
		}
	}
}

// Equal weight rows give equal bits wherever they stand, and so does any number of threads.
func TestPairsAreDeterministic(t *testing.T) {
	if !havePairs() {
		t.Skip("this machine has no AVX512_BF16")
	}
	const out, in = 211, 773
	for _, rows := range []int{1, 3, 8, 12, 20, 32, 45} {
		var first []float32
		for _, threads := range []int{1, 2, 3} {
			c, err := NewCPU(CPUOptions{FastBF16: true, Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			r := newRand(63)
			w := pairsWeight(t, c, r, out, in)
			for o := 1; o < out; o++ {
				copy(w.u16[o*in:(o+1)*in], w.u16[:in])
			}
			dst := c.NewBuffer(rows, out)
			c.Linear(dst, c.Upload(rows, in, random(r, rows*in)), w, Buffer{}, false)
			if first == nil {
				first = dst.host
			}
			for i, v := range dst.host {
				if v != first[i/out*out] {
					t.Fatalf("%d rows, %d threads: output %d is %v, output 0 %v", rows, threads, i%out, v, first[i/out*out])
				}
			}
			c.Close()
		}
	}
}

// A NaN or an infinity in x reaches every output of its row and no other row; one in a weight
// row reaches that output alone, even from beside the zero that fills an odd row.
func TestPairsPropagateNaN(t *testing.T) {
	eachFastDevice(t, func(t *testing.T, c *CPU) {
		for _, in := range []int{53, 32, 1} {
			for _, rows := range []int{1, 2, 5, 12, 20, 32, 37} {
				for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32} {
					const out, badOut = 61, 59
					r, badRow := newRand(64), rows/2
					w := pairsWeight(t, c, r, out, in)
					w.u16[badOut*in], w.u16[badOut*in+in-1] = F32ToBF16(bad), F32ToBF16(bad)
					x := c.Upload(rows, in, random(r, rows*in))
					x.row(badRow)[in-1] = bad // the largest float32 rounds to infinity
					dst := c.NewBuffer(rows, out)
					c.Linear(dst, x, w, Buffer{}, false)
					for i := range rows {
						for o, v := range dst.row(i) {
							finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
							if wanted := i != badRow && o != badOut; finite != wanted {
								t.Fatalf("%d rows of %d, %v: row %d, output %d is %v", rows, in, bad, i, o, v)
							}
						}
					}
				}
			}
		}
	})
}

// A fast device rounds nothing for a weight that does not allow it, nor for encoders.
func TestRoundingNeedsConsent(t *testing.T) {
	eachFastDevice(t, func(t *testing.T, fast *CPU) {
		exact, err := NewCPU(CPUOptions{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer exact.Close()
		const rows, in, out = 12, 100, 90
		values, data, to := random(newRand(65), rows*in), floatBytes(random(newRand(66), out*in)), BF16
		results := func(c *CPU, m HostMatrix) ([]float32, [][]FeatureValue) {
			m.Data, m.Out, m.In = data, out, in
			w, err := c.LoadWeight(m)
			if err != nil {
				t.Fatal(err)
			}
			x, dst := c.Upload(rows, in, values), c.NewBuffer(rows, out)
			c.Linear(dst, x, w, Buffer{}, false)
			return dst.host, c.EncodeActive(x, &Encoder{Kind: EncodeReLU, Features: out, Width: in, W: w})
		}
		for _, m := range []HostMatrix{{Convert: &to}, {Convert: &to, MayRound: true}, {MayRound: true}} {
			want, wantActive := results(exact, m)
			got, active := results(fast, m)
			if same := fmt.Sprint(got) == fmt.Sprint(want); same == (m.MayRound && m.Convert != nil) {
				t.Errorf("may round %v, bfloat16 %v: same products %v", m.MayRound, m.Convert != nil, same)
			}
			if fmt.Sprint(active) != fmt.Sprint(wantActive) {
				t.Errorf("may round %v: the encoding was rounded", m.MayRound)
			}
		}
	})
}

// Products in one loop have the bits that each has alone, rounded beside exact ones.
func TestPairsInOneLoop(t *testing.T) {
	eachFastDevice(t, func(t *testing.T, c *CPU) {
		for _, rows := range []int{1, 7, 33} {
			const in = 70
			r := newRand(67)
			x := c.Upload(rows, in, random(r, rows*in))
			var products []Product
			var want []string
			for i, out := range []int{40, 9, 64, 17} {
				w := pairsWeight(t, c, r, out, in)
				w.pairs = i != 1
				dst := c.NewBuffer(rows, out)
				c.Linear(dst, x, w, Buffer{}, false)
				want = append(want, fmt.Sprint(dst.host))
				products = append(products, Product{Dst: c.NewBuffer(rows, out), W: w})
			}
			c.Linears(x, products)
			for i, p := range products {
				if fmt.Sprint(p.Dst.host) != want[i] {
					t.Errorf("%d rows: product %d has other bits", rows, i)
				}
			}
		}
	})
}

func TestFastBF16NeedsItsPath(t *testing.T) {
	for _, path := range []string{"generic", "avx2"} {
		if _, err := NewCPU(CPUOptions{Path: path, FastBF16: true}); HasPath(path) && (err == nil || !strings.Contains(err.Error(), "fast bf16 products need")) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
