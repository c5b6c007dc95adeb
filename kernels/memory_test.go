package kernels

import (
	"runtime"
	"slices"
	"testing"
)

// heapOf tells by how much a piece of work made the Go heap grow.
func heapOf(work func()) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestLargeWeights: a large weight that had to be copied lies outside the Go heap, whatever was
// done to it, and holds what a small one would hold. Unload gives it back, twice or not.
func TestLargeWeights(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		const out, in = 1031, 520
		values := random(newRand(5), out*in)
		data := append([]byte{0, 0}, floatBytes(values)...)
		for shift := range 2 { // the second time the numbers are not aligned
			file := append(make([]byte, 0, len(data)), data[2-shift:]...)[shift:][:4*out*in]
			for _, transposed := range []bool{false, true} {
				for to := F32; to <= F16; to++ {
					var w *Weight
					grown := heapOf(func() {
						var err error
						if w, err = c.LoadWeight(HostMatrix{Data: file, Out: out, In: in, Transposed: transposed, Convert: &to}); err != nil {
							t.Fatal(err)
						}
					})
					if grown > 1<<19 {
						t.Errorf("shift %d, transposed %v, %s: the heap grew by %d bytes", shift, transposed, to, grown)
					}
					checkWeight(t, c, w, values, transposed, to)
					c.Unload(w)
					c.Unload(w)
				}
			}
		}
	})
}

// checkWeight compares some rows of a weight with the values it was loaded from.
func checkWeight(t *testing.T, c *CPU, w *Weight, values []float32, transposed bool, to DType) {
	t.Helper()
	rows := []int{0, 1, 517, w.Out - 1}
	got := c.NewBuffer(len(rows), w.In)
	defer c.Release(got)
	c.WeightRows(got, w, rows)
	for r, o := range rows {
		for k, v := range got.row(r) {
			want := values[o*w.In+k]
			if transposed {
				want = values[k*w.Out+o]
			}
			switch to {
			case BF16:
				want = BF16ToF32(F32ToBF16(want))
			case F16:
				want = F16ToF32(F32ToF16(want))
			}
			if v != want {
				t.Fatalf("row %d, column %d is %g, want %g", o, k, v, want)
			}
		}
	}
}

// TestLargeBuffers: large buffers lie outside the Go heap, are used again, and are given back
// when more are released than the device keeps, or when it is closed.
func TestLargeBuffers(t *testing.T) {
	c, err := NewCPU(CPUOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const count, floats = 6, maxPooledFloats / 4
	var buffers []Buffer
	if grown := heapOf(func() {
		for range count {
			buffers = append(buffers, c.NewBuffer(1, floats))
		}
	}); grown > 1<<19 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	for i, b := range buffers {
		b.row(0)[0], b.row(0)[floats-1] = float32(i), float32(i)
	}
	for i, b := range buffers {
		if b.row(0)[0] != float32(i) || b.row(0)[floats-1] != float32(i) {
			t.Errorf("buffer %d was written by another one", i)
		}
		c.Release(b)
	}
	if held := len(c.buffers.outside); held != 4 {
		t.Errorf("%d large buffers are kept, want 4", held)
	}
	again := c.NewBuffer(1, floats)
	if !slices.ContainsFunc(buffers[:4], func(b Buffer) bool { return &b.row(0)[0] == &again.row(0)[0] }) {
		t.Error("a released buffer was not used again")
	}
	c.Release(again)
	c.Close()
	if held := len(c.buffers.outside); held != 0 {
		t.Errorf("%d large buffers are kept by a closed device", held)
	}
}
