package kernels

import (
	"fmt"
	"testing"
	"unsafe"
)

// Every type converts to every other, transposed or not, at any alignment.
func TestLoadWeight(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(21)
		for _, s := range []struct{ out, in int }{{1, 1}, {5, 3}, {8, 16}, {33, 70}, {100, 41}} {
			for from := F32; from <= F16; from++ {
				for to := F32; to <= F16; to++ {
					for shift := range 5 {
						testLoad(t, c, random(r, s.out*s.in), s.out, s.in, from, to, shift)
					}
				}
			}
		}
	})
}

func testLoad(t *testing.T, c *CPU, values []float32, out, in int, from, to DType, shift int) {
	t.Helper()
	memory := make([]byte, shift+len(values)*4+8)
	data := memory[shift : shift+len(values)*from.Size()]
	for i, v := range values {
		switch from {
		case F32:
			copy(data[4*i:], floatBytes([]float32{v}))
		case BF16:
			u := F32ToBF16(v)
			data[2*i], data[2*i+1] = byte(u), byte(u>>8)
			values[i] = BF16ToF32(u)
		case F16:
			u := F32ToF16(v)
			data[2*i], data[2*i+1] = byte(u), byte(u>>8)
			values[i] = F16ToF32(u)
		}
	}
	rounded := func(v float32) float32 {
		switch to {
		case BF16:
			return BF16ToF32(F32ToBF16(v))
		case F16:
			return F16ToF32(F32ToF16(v))
		}
		return v
	}
	for _, transposed := range []bool{false, true} {
		for _, borrow := range []bool{false, true} {
			name := fmt.Sprintf("%s to %s, [%d, %d], transposed %v, borrow %v, offset %d", from, to, out, in, transposed, borrow, shift)
			w, err := c.LoadWeight(HostMatrix{Data: data, DType: from, Out: out, In: in, Transposed: transposed, Convert: &to, Borrow: borrow})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if w.DType != to || w.Bytes() != int64(out*in*to.Size()) {
				t.Fatalf("%s: type %s, %d bytes", name, w.DType, w.Bytes())
			}
			borrowed := unsafe.Pointer(unsafe.SliceData(data)) == weightStart(w)
			aligned := uintptr(unsafe.Pointer(&data[0]))%uintptr(from.Size()) == 0
			if borrowed != (borrow && aligned && !transposed && from == to) {
				t.Fatalf("%s: borrowed %v", name, borrowed)
			}
			dst := c.NewBuffer(out, in)
			rows := make([]int, out)
			for i := range rows {
				rows[i] = out - 1 - i
			}
			c.WeightRows(dst, w, rows)
			for i, o := range rows {
				for k := range in {
					v := values[o*in+k]
					if transposed {
						v = values[k*out+o]
					}
					if got := dst.row(i)[k]; got != rounded(v) {
						t.Fatalf("%s: [%d][%d] is %v, want %v", name, o, k, got, rounded(v))
					}
				}
			}
		}
	}
}

func TestLoadWeightRefusesWrongSizes(t *testing.T) {
	c, err := NewCPU(CPUOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	unknown := DType(9)
	for _, m := range []HostMatrix{
		{Data: make([]byte, 15), Out: 2, In: 2},
		{Data: make([]byte, 16), DType: BF16, Out: 2, In: 2},
		{Data: make([]byte, 16), DType: unknown, Out: 2, In: 2},
		{Data: make([]byte, 16), Out: 2, In: 2, Convert: &unknown},
		{Data: make([]byte, 16), Out: -2, In: -2},
	} {
		if _, err := c.LoadWeight(m); err == nil {
			t.Errorf("%d bytes as [%d, %d] %s: no error", len(m.Data), m.Out, m.In, m.DType)
		}
	}
}

func TestEmbed(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, d := range []DType{F32, BF16, F16, I8} {
			w, values := randomWeight(t, c, newRand(22), 10, 13, d)
			ids := []int{9, 0, 3, 3}
			dst, intact := framed(t, c, 4, 13)
			c.Embed(dst, w, ids, 2, false)
			c.Embed(dst, w, ids, 0.5, true)
			intact()
			for r, id := range ids {
				for i, got := range dst.row(r) {
					if want := 2.5 * values[id*13+i]; !near(float64(got), float64(want), 1e-6) {
						t.Fatalf("%s: row %d, column %d is %v, want %v", d, r, i, got, want)
					}
				}
			}
		}
	})
}

func TestBuffers(t *testing.T) {
	c, err := NewCPU(CPUOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := c.Upload(3, 4, []float32{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23})
	v := c.View(b, 1, 2, 1, 2)
	got := make([]float32, 4)
	c.Download(got, v)
	if want := [4]float32{11, 12, 21, 22}; [4]float32(got) != want {
		t.Errorf("view holds %v, want %v", got, want)
	}
	g := c.NewBuffer(3, 2)
	c.Gather(g, v, []int{1, 0, 1})
	if want := [6]float32{21, 22, 11, 12, 21, 22}; [6]float32(g.host) != want {
		t.Errorf("gathered %v, want %v", g.host, want)
	}
	if (Buffer{}).IsZero() != true || c.NewBuffer(0, 5).IsZero() || c.View(b, 0, 0, 0, 4).IsZero() {
		t.Error("a buffer without rows counts as absent, or an absent one does not")
	}
	big := c.NewBuffer(100, 100)
	first := &big.host[0]
	c.Release(c.View(big, 0, 50, 0, 100)) // a part must not be handed out again
	if again := c.NewBuffer(100, 100); &again.host[0] == first {
		t.Error("a view was reused as if it were a buffer")
	}
	c.Release(big)
	if again := c.NewBuffer(99, 101); &again.host[0] != first {
		t.Error("a released buffer was not reused")
	}
}

func TestShapeMismatchPanics(t *testing.T) {
	c, err := NewCPU(CPUOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer func() {
		if recover() == nil {
			t.Error("buffers of different widths were added")
		}
	}()
	c.Add(c.NewBuffer(1, 2), c.NewBuffer(1, 2), c.NewBuffer(1, 3))
}

// weightStart returns where w's elements lie.
func weightStart(w *Weight) unsafe.Pointer {
	if w.f32 != nil {
		return unsafe.Pointer(unsafe.SliceData(w.f32))
	}
	return unsafe.Pointer(unsafe.SliceData(w.u16))
}
