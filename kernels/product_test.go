package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

const poison = float32(-12345.75)

// framed returns a [rows, width] view inside a larger poisoned buffer, and a function
// that fails the test when the frame was touched.
func framed(t *testing.T, c *CPU, rows, width int) (Buffer, func()) {
	t.Helper()
	outer := c.NewBuffer(rows+2, width+7)
	for i := range outer.host {
		outer.host[i] = poison
	}
	return c.View(outer, 1, rows, 3, width), func() {
		t.Helper()
		for i, v := range outer.host {
			r, column := i/outer.Stride-1, i%outer.Stride-3
			if inside := r >= 0 && r < rows && column >= 0 && column < width; !inside && v != poison {
				t.Fatalf("wrote outside the result at row %d, column %d", r, column)
			}
		}
	}
}

// randomWeight makes a weight of the given type with its data one element off alignment,
// and returns the values it stands for.
func randomWeight(t testing.TB, c *CPU, r *rand.Rand, out, in int, d DType) (*Weight, []float32) {
	t.Helper()
	values := random(r, out*in)
	if d == I8 {
		w := loadInt8(t, c, values, out, in)
		for o := range out {
			w.rowF32(o, values[o*in:(o+1)*in])
		}
		return w, values
	}
	bytes := make([]byte, out*in*d.Size()+8)
	data := bytes[4:]
	switch d {
	case F32:
		copy(unsafe.Slice((*float32)(unsafe.Pointer(&data[0])), out*in), values)
	case BF16:
		u := unsafe.Slice((*uint16)(unsafe.Pointer(&data[0])), out*in)
		F32sToBF16s(u, values)
		BF16sToF32s(values, u)
	case F16:
		u := unsafe.Slice((*uint16)(unsafe.Pointer(&data[0])), out*in)
		F32sToF16s(u, values)
		F16sToF32s(values, u)
	}
	w, err := c.LoadWeight(HostMatrix{Data: data[:out*in*d.Size()], DType: d, Out: out, In: in, Borrow: true})
	if err != nil {
		t.Fatal(err)
	}
	return w, values
}

// naive returns the float64 product of one row and one weight row, and the sum of magnitudes.
func naive(x, w []float32) (sum, size float64) {
	for k := range x {
		p := float64(x[k]) * float64(w[k])
		sum += p
		size += math.Abs(p)
	}
	return
}

func TestLinearAgainstNaive(t *testing.T) {
	shapes := []struct{ in, out int }{{1, 1}, {3, 5}, {7, 9}, {16, 16}, {33, 50}, {64, 100}, {385, 51}, {800, 97}}
	rows := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 21, 23, 31, 32, 33, 37, 40, 41, 49, 64, 128}
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(1)
		for _, d := range []DType{F32, BF16, F16, I8} {
			for _, s := range shapes {
				w, values := randomWeight(t, c, r, s.out, s.in, d)
				for i, n := range rows {
					add, hasBias := i%2 == 0, i%3 != 0
					testLinear(t, c, r, w, values, n, add, hasBias, fmt.Sprintf("%s %d->%d, %d rows", d, s.in, s.out, n))
				}
			}
		}
	})
}

func testLinear(t *testing.T, c *CPU, r *rand.Rand, w *Weight, values []float32, rows int, add, hasBias bool, name string) {
	t.Helper()
	x, _ := framed(t, c, rows, w.In)
	c.Copy(x, c.Upload(rows, w.In, random(r, rows*w.In)))
	dst, intact := framed(t, c, rows, w.Out)
	before := random(r, rows*w.Out)
	c.Copy(dst, c.Upload(rows, w.Out, before))
	var bias Buffer
	if hasBias {
		bias = c.Upload(1, w.Out, random(r, w.Out))
	}
	c.Linear(dst, x, w, bias, add)
	intact()
	for i := range rows {
		for o, got := range dst.row(i) {
			want, size := naive(x.row(i), values[o*w.In:(o+1)*w.In])
			if hasBias {
				want += float64(bias.host[o])
			}
			if add {
				want += float64(before[i*w.Out+o])
			}
			if tol := 6e-8 * math.Sqrt(float64(w.In+8)) * (size + 4); !(math.Abs(float64(got)-want) <= tol) {
				t.Fatalf("%s: row %d, output %d: %v, want %v", name, i, o, got, want)
			}
		}
	}
}

// Products computed together, in groups of one storage type, have the bits they have alone.
func TestLinearsAreLinear(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(3)
		for _, rows := range []int{0, 1, 2, 5, 9, 20, 33, 70} {
			x, _ := framed(t, c, rows, 131)
			c.Copy(x, c.Upload(rows, 131, random(r, rows*131)))
			var products []Product
			var checks []func()
			for i, d := range []DType{F32, F32, F32, F32, F32, BF16, BF16, F16, F32} {
				w, _ := randomWeight(t, c, r, 1+67*i, 131, d)
				dst, intact := framed(t, c, rows, w.Out)
				p := Product{Dst: dst, W: w}
				if i%2 == 0 {
					p.Bias = c.Upload(1, w.Out, random(r, w.Out))
				}
				products = append(products, p)
				checks = append(checks, intact)
			}
			c.Linears(x, products)
			for i, p := range products {
				checks[i]()
				alone := c.NewBuffer(rows, p.W.Out)
				c.Linear(alone, x, p.W, p.Bias, false)
				for row := range rows {
					if !slices.Equal(alone.row(row), p.Dst.row(row)) {
						t.Fatalf("%d rows, product %d, row %d differs from Linear's", rows, i, row)
					}
				}
			}
		}
	})
}

// Equal weight rows give equal bits wherever they stand, and so does any number of threads.
func TestLinearIsDeterministic(t *testing.T) {
	for _, path := range pathNames {
		if !HasPath(path) {
			continue
		}
		for _, d := range []DType{F32, BF16, F16, I8} {
			for _, rows := range []int{1, 3, 8, 12, 32, 45} {
				var first []float32
				for _, threads := range []int{1, 2, 3} {
					c, err := NewCPU(CPUOptions{Path: path, Threads: threads})
					if err != nil {
						t.Fatal(err)
					}
					got := linearOfEqualRows(t, c, d, rows, 211, 773)
					if first == nil {
						first = got
					}
					for i := range got {
						if got[i] != first[i/211*211] {
							t.Fatalf("%s, %s, %d rows, %d threads: output %d is %v, output 0 %v", path, d, rows, threads, i%211, got[i], first[i/211*211])
						}
					}
					c.Close()
				}
			}
		}
	}
}

func linearOfEqualRows(t *testing.T, c *CPU, d DType, rows, out, in int) []float32 {
	r := newRand(2)
	one := random(r, in)
	all := make([]float32, 0, out*in)
	for range out {
		all = append(all, one...)
	}
	w, err := c.LoadWeight(HostMatrix{Data: floatBytes(all), Out: out, In: in, Convert: &d})
	if err != nil {
		t.Fatal(err)
	}
	dst := c.NewBuffer(rows, out)
	c.Linear(dst, c.Upload(rows, in, random(r, rows*in)), w, Buffer{}, false)
	return append([]float32{}, dst.host...)
}

func floatBytes(s []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), 4*len(s))
}

// A NaN or an infinity in x reaches every output of its row and no other row; one in a
// weight row reaches that output alone.
func TestLinearPropagatesNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, rows := range []int{1, 2, 5, 12, 32, 37} {
			for _, bad := range []float32{nan, inf} {
				r := newRand(3)
				in, out, badRow, badOut := 53, 61, rows/2, 60
				w, _ := randomWeight(t, c, r, out, in, F32)
				w.f32[badOut*in+in-1] = bad
				x := c.Upload(rows, in, random(r, rows*in))
				x.row(badRow)[17] = bad
				dst := c.NewBuffer(rows, out)
				c.Linear(dst, x, w, Buffer{}, false)
				for i := range rows {
					for o, v := range dst.row(i) {
						finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
						if wanted := i != badRow && o != badOut; finite != wanted {
							t.Fatalf("%d rows, %v: row %d, output %d is %v", rows, bad, i, o, v)
						}
					}
				}
			}
		}
	})
}
