package kernels

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// atTheEnd copies values to where readable memory ends: who reads beyond them ends the process.
func atTheEnd[T float32 | uint16 | int8](t *testing.T, values []T) []T {
	t.Helper()
	size, page := len(values)*int(unsafe.Sizeof(T(0))), unix.Getpagesize()
	pages := (size + page - 1) / page * page
	data, err := unix.Mmap(-1, 0, pages+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(data) })
	moved := unsafe.Slice((*T)(unsafe.Pointer(&data[pages-size])), len(values))
	copy(moved, values)
	if err := unix.Mprotect(data[pages:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return moved
}

// TestEndOfMemory multiplies and encodes operands behind which no memory is, as large weights and
// buffers may lie: the results are those of operands in the heap.
func TestEndOfMemory(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(77)
		for _, s := range []struct{ out, in int }{{1, 1}, {7, 33}, {48, 64}, {53, 385}, {96, 771}} {
			for to := F32; to <= I8; to++ {
				w, err := c.LoadWeight(HostMatrix{Data: floatBytes(random(r, s.out*s.in)), Out: s.out, In: s.in, Convert: &to, MayRound: true})
				if err != nil {
					t.Fatal(err)
				}
				moved := *w
				switch {
				case w.f32 != nil:
					moved.f32 = atTheEnd(t, w.f32)
				case w.u16 != nil:
					moved.u16 = atTheEnd(t, w.u16)
				default:
					moved.i8, moved.scales = atTheEnd(t, w.i8), atTheEnd(t, w.scales)
				}
				for _, rows := range []int{1, 3, 8, 12, 17, 32, 45} {
					x := c.Upload(rows, s.in, random(r, rows*s.in))
					checkAtTheEnd(t, c, x, w, &moved, fmt.Sprintf("%s [%d, %d], %d rows", to, s.out, s.in, rows))
				}
			}
		}
	})
}

func checkAtTheEnd(t *testing.T, c *CPU, x Buffer, w, moved *Weight, name string) {
	t.Helper()
	end := x
	end.host = atTheEnd(t, x.host[:(x.Rows-1)*x.Stride+x.Width])
	want, got := c.NewBuffer(x.Rows, w.Out), c.NewBuffer(x.Rows, w.Out)
	written := got
	written.host = atTheEnd(t, got.host[:(got.Rows-1)*got.Stride+got.Width])
	c.Linear(want, x, w, Buffer{}, false)
	c.Linear(written, end, moved, Buffer{}, false)
	for i, v := range c.downloaded(written) {
		if math.Float32bits(v) != math.Float32bits(c.downloaded(want)[i]) {
			t.Fatalf("%s: product %d is %g, want %g", name, i, v, c.downloaded(want)[i])
		}
	}
	c.EncodePeaks(end, &Encoder{Kind: EncodeReLU, Features: w.Out, Width: w.In, W: moved}, PeakOptions{Top: 3})
	c.EncodeFeatures(written, end, &Encoder{Kind: EncodeReLU, Features: w.Out, Width: w.In, W: moved}, countUp(w.Out))
	c.WeightRows(c.NewBuffer(w.Out, w.In), moved, countUp(w.Out))
}

// TestAttentionAtTheEndOfMemory is TestEndOfMemory for an attention, and for what happens to its
// operands.
func TestAttentionAtTheEndOfMemory(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(78)
		for _, rows := range []int{1, 3, 5, 31, 70} {
			for _, dim := range []int{8, 20, 64} {
				at := func(rows, width int) Buffer {
					return Buffer{Rows: rows, Width: width, Stride: width, host: atTheEnd(t, random(r, rows*width))}
				}
				keys := rows + 9
				a := Attention{Q: at(rows, 4*dim), K: at(keys, 2*dim), V: at(keys, 2*dim), Out: at(rows, 4*dim),
					Heads: 4, KVHeads: 2, HeadDim: dim, ValueDim: dim, FirstPosition: 9, Scale: 0.3, Softcap: 5}
				c.Attend(a)
				c.Norm(a.Out, a.Q, Norm{Kind: LayerNorm, Eps: 1e-5})
				c.Gate(a.Out, a.Q, a.Out, GELUTanh)
				c.Add(a.Out, a.Out, a.Q)
				c.Softcap(a.Out, a.Out, 3)
				c.TopPerRow(a.Out, 3)
				c.LogSumExp(a.Out)
			}
		}
	})
}

// downloaded returns the values of a buffer.
func (c *CPU) downloaded(b Buffer) []float32 {
	values := make([]float32, b.Rows*b.Width)
	c.Download(values, b)
	return values
}

func countUp(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}
