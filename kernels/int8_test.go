package kernels

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unsafe"
)

// loadInt8 quantizes values [out, in].
func loadInt8(t testing.TB, c *CPU, values []float32, out, in int) *Weight {
	t.Helper()
	d := I8
	w, err := c.LoadWeight(HostMatrix{Data: floatBytes(values), Out: out, In: in, Convert: &d})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Every element is off by at most half its row's scale, and every path gives the integers
// and scales of the Go loop, whatever the type, the order and the alignment of the file.
func TestInt8Quantization(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(31)
		for _, s := range []struct{ out, in int }{{0, 3}, {3, 0}, {1, 1}, {5, 7}, {3, 8}, {33, 70}, {40, 1029}} {
			for from := F32; from <= F16; from++ {
				stored, values := randomWeight(t, c, r, s.out, s.in, from)
				data := storedBytes(stored)
				w := mustQuantize(t, c, HostMatrix{Data: data, DType: from, Out: s.out, In: s.in})
				for o := range s.out {
					row := values[o*s.in : (o+1)*s.in]
					checkInt8Row(t, w, o, row, fmt.Sprintf("%s [%d, %d]", from, s.out, s.in))
				}
				turned := mustQuantize(t, c, HostMatrix{Data: turnedBytes(data, s.out, s.in), DType: from, Out: s.out, In: s.in, Transposed: true})
				for i, q := range turned.i8 {
					if q != w.i8[i] || turned.scales[i/s.in] != w.scales[i/s.in] {
						t.Fatalf("%s: element %d of [%d, %d] differs when the file is transposed", from, i, s.out, s.in)
					}
				}
			}
		}
	})
}

func checkInt8Row(t *testing.T, w *Weight, o int, row []float32, name string) {
	t.Helper()
	largest := float32(0)
	for _, v := range row {
		largest = max(largest, float32(math.Abs(float64(v))))
	}
	scale := largest / 127
	if w.scales[o] != scale {
		t.Fatalf("%s: row %d has scale %v, want %v", name, o, w.scales[o], scale)
	}
	want := make([]int8, len(row))
	quantizeGo(want, row, scale)
	for k, v := range row {
		q := w.i8[o*w.In+k]
		if off := math.Abs(float64(v) - float64(scale)*float64(q)); q != want[k] || !(off <= float64(scale)*0.50001) {
			t.Fatalf("%s: [%d][%d] is %d, the loop has %d; off by %v, the scale is %v", name, o, k, q, want[k], off, scale)
		}
	}
}

func mustQuantize(t *testing.T, c *CPU, m HostMatrix) *Weight {
	t.Helper()
	d := I8
	m.Convert, m.Borrow = &d, true
	w, err := c.LoadWeight(m)
	if err != nil {
		t.Fatal(err)
	}
	if w.DType != I8 || w.Bytes() != int64(w.Out*w.In+4*w.Out) {
		t.Fatalf("type %s, %d bytes", w.DType, w.Bytes())
	}
	return w
}

// storedBytes is a weight of another type than I8 as a file has it.
func storedBytes(w *Weight) []byte {
	return unsafe.Slice((*byte)(weightStart(w)), w.Bytes())
}

// turnedBytes is the [in, out] form of a file's [out, in] matrix, off alignment.
func turnedBytes(data []byte, out, in int) []byte {
	turned := make([]byte, len(data)+1)[1:]
	size := len(data) / max(out*in, 1)
	for o := range out {
		for k := range in {
			copy(turned[(k*out+o)*size:], data[(o*in+k)*size:(o*in+k+1)*size])
		}
	}
	return turned
}

// Rows of zeros and of numbers whose scale would be subnormal become zeros; the largest
// numbers do not overflow; what is no number is refused with its row.
func TestInt8Extremes(t *testing.T) {
	nan, inf, largest := float32(math.NaN()), float32(math.Inf(-1)), float32(math.MaxFloat32)
	eachDevice(t, func(t *testing.T, c *CPU) {
		const in = 19
		values := make([]float32, 4*in)
		values[in+3] = 1e-37
		values[2*in+18], values[2*in+1] = -largest, largest/4
		values[3*in+9] = -1e-30
		w := loadInt8(t, c, values, 4, in)
		for i, q := range w.i8 {
			want := map[int]int8{2*in + 18: -127, 2*in + 1: 32, 3*in + 9: -127}[i]
			if q != want {
				t.Errorf("element %d of row %d is %d, want %d", i%in, i/in, q, want)
			}
		}
		if w.scales[0] != 0 || w.scales[1] != 0 {
			t.Errorf("rows of zeros have the scales %v", w.scales[:2])
		}
		d := I8
		for _, bad := range []float32{nan, inf, -nan} {
			for _, at := range []int{0, 7, 18} {
				values[2*in+at] = bad
				_, err := c.LoadWeight(HostMatrix{Data: floatBytes(values), Out: 4, In: in, Convert: &d})
				if err == nil || !strings.Contains(err.Error(), "output 2 ") {
					t.Errorf("%v at %d: %v", bad, at, err)
				}
				values[2*in+at] = 0
			}
		}
		if _, err := c.LoadWeight(HostMatrix{Data: make([]byte, 4), DType: I8, Out: 2, In: 2}); err == nil {
			t.Error("a file of integers was taken for a weight")
		}
	})
}

// A product with an I8 weight is that with its integers as float32, to the bit, times the
// scale: on every path, in panels, in place and in tails. Rows between may be computed in
// place that are in a panel with float32.
func TestInt8ProductsAreThoseOfIntegers(t *testing.T) {
	shapes := []struct{ in, out int }{{1, 1}, {7, 9}, {15, 3}, {16, 16}, {33, 50}, {385, 51}, {800, 97}, {48, 211}}
	rows := []int{1, 2, 3, 4, 5, 8, 9, 12, 16, 17, 21, 31, 32, 33, 37, 41, 64, 100}
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(32)
		for _, s := range shapes {
			w := loadInt8(t, c, random(r, s.out*s.in), s.out, s.in)
			integers := make([]float32, len(w.i8))
			widenInt8(integers, w.i8)
			plain, err := c.LoadWeight(HostMatrix{Data: floatBytes(integers), Out: s.out, In: s.in})
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range rows {
				x, _ := framed(t, c, n, s.in)
				c.Copy(x, c.Upload(n, s.in, random(r, n*s.in)))
				dst, intact := framed(t, c, n, s.out)
				before, bias := c.Upload(n, s.out, random(r, n*s.out)), c.Upload(1, s.out, random(r, s.out))
				c.Copy(dst, before)
				c.Linear(dst, x, w, bias, i%2 == 0)
				intact()
				together, alone := c.NewBuffer(n, s.out), c.NewBuffer(n, s.out)
				c.Linear(together, x, plain, Buffer{}, false)
				for row := range n {
					c.Linear(c.View(alone, row, 1, 0, s.out), c.View(x, row, 1, 0, s.in), plain, Buffer{}, false)
				}
				for row := range n {
					for o, got := range dst.row(row) {
						finished := func(sum float32) float32 {
							sum *= w.scales[o]
							sum += bias.host[o]
							if i%2 == 0 {
								sum += before.row(row)[o]
							}
							return sum
						}
						if want := finished(together.row(row)[o]); got != want && got != finished(alone.row(row)[o]) {
							t.Fatalf("%d->%d, %d rows: row %d, output %d is %v, want %v", s.in, s.out, n, row, o, got, want)
						}
					}
				}
			}
		}
	})
}

// The activations of chosen features have the bits of the encoding that chose them.
func TestInt8EncodeFeatures(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(33)
		const features, in = 75, 40
		e := Encoder{Kind: EncodeIdentity, Features: features, Width: in, W: loadInt8(t, c, random(r, features*in), features, in)}
		for _, n := range []int{1, 5, 32, 33} {
			x := c.Upload(n, in, random(r, n*in))
			all := c.NewBuffer(n, features)
			c.Linear(all, x, e.W, Buffer{}, false)
			wanted := []int{74, 3, 3, 20}
			dst := c.NewBuffer(n, len(wanted))
			c.EncodeFeatures(dst, x, &e, wanted)
			for row := range n {
				for i, f := range wanted {
					if got := dst.row(row)[i]; got != all.row(row)[f] {
						t.Fatalf("%d rows: feature %d of row %d is %v, want %v", n, f, row, got, all.row(row)[f])
					}
				}
			}
		}
	})
}
