package kernels

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// littleEndian says whether this machine's numbers lie in memory as files have them.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// LoadWeight places a matrix on the device. It keeps m.Data itself when m.Borrow allows
// it, the data are aligned and neither a transposition nor a conversion is wanted;
// otherwise it copies, once. It fails when Data does not have the length of the shape.
func (c *CPU) LoadWeight(m HostMatrix) (*Weight, error) {
	if m.DType > F16 || m.Convert != nil && *m.Convert > I8 {
		return nil, fmt.Errorf("weight type %d is unknown: use float32, bfloat16 or float16", m.DType)
	}
	if want := m.Out * m.In * m.DType.Size(); m.Out < 0 || m.In < 0 || len(m.Data) != want {
		return nil, fmt.Errorf("a [%d, %d] %s matrix needs %d bytes and has %d: the file is damaged or its shape is wrong",
			m.Out, m.In, m.DType, want, len(m.Data))
	}
	if m.Convert != nil && *m.Convert == I8 {
		return c.quantized(m)
	}
	w := &Weight{Out: m.Out, In: m.In, DType: m.DType}
	if m.Convert != nil {
		w.DType = *m.Convert
	}
	w.pairs = c.fastBF16 && m.MayRound && w.DType == BF16 && w.In > 0
	if m.DType == F32 {
		f32, own := hostFloats(m.Data)
		if m.Transposed {
			f32, own = transposed(c, f32, m.Out, m.In), true
		}
		c.placeF32(w, f32, own || m.Borrow)
		return w, nil
	}
	u16, own := hostHalves(m.Data)
	if m.Transposed {
		u16, own = transposed(c, u16, m.Out, m.In), true
	}
	c.placeHalves(w, u16, m.DType, own || m.Borrow)
	return w, nil
}

// hostFloats reads little-endian float32s, in place where the machine allows it; own
// says that the result is a copy.
func hostFloats(data []byte) (values []float32, own bool) {
	n := len(data) / 4
	if n == 0 {
		return []float32{}, true
	}
	if p := unsafe.Pointer(unsafe.SliceData(data)); littleEndian && uintptr(p)%4 == 0 {
		return unsafe.Slice((*float32)(p), n), false
	}
	values = make([]float32, n)
	if littleEndian {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(data)), data)
		return values, true
	}
	if _, err := binary.Decode(data, binary.LittleEndian, values); err != nil {
		panic(err) // the lengths agree
	}
	return values, true
}

// hostHalves is hostFloats for 16-bit numbers.
func hostHalves(data []byte) (values []uint16, own bool) {
	n := len(data) / 2
	if n == 0 {
		return []uint16{}, true
	}
	if p := unsafe.Pointer(unsafe.SliceData(data)); littleEndian && uintptr(p)%2 == 0 {
		return unsafe.Slice((*uint16)(p), n), false
	}
	values = make([]uint16, n)
	for i := range values {
		values[i] = binary.LittleEndian.Uint16(data[2*i:])
	}
	return values, true
}

// convertChunk is how many elements one thread converts at a time.
const convertChunk = 64 << 10

// placeF32 stores float32 values in w's type; keep says that values itself may be kept.
func (c *CPU) placeF32(w *Weight, values []float32, keep bool) {
	if w.DType == F32 {
		w.f32 = values
		if !keep {
			w.f32 = newWeightData[float32](len(values))
			copy(w.f32, values)
		}
		return
	}
	w.u16 = newWeightData[uint16](len(values))
	c.pool.split(len(values), convertChunk, func(lo, hi int) {
		if w.DType == BF16 {
			F32sToBF16s(w.u16[lo:hi], values[lo:hi])
		} else {
			F32sToF16s(w.u16[lo:hi], values[lo:hi])
		}
	})
}

// placeHalves stores 16-bit values of type from in w's type.
func (c *CPU) placeHalves(w *Weight, values []uint16, from DType, keep bool) {
	switch {
	case w.DType == from && keep:
		w.u16 = values
	case w.DType == from:
		w.u16 = newWeightData[uint16](len(values))
		copy(w.u16, values)
	default:
		wide := newWeightData[float32](len(values))
		c.pool.split(len(values), convertChunk, func(lo, hi int) {
			c.widen(wide[lo:hi], values[lo:hi], from)
		})
		c.placeF32(w, wide, true)
	}
}

// widen converts 16-bit values of type d with the device's own instructions.
func (c *CPU) widen(dst []float32, src []uint16, d DType) {
	if c.path == pathGeneric {
		widen(dst, src, d)
		return
	}
	widenVector(dst, src, d)
}

// widen converts 16-bit values of type d.
func widen(dst []float32, src []uint16, d DType) {
	if d == BF16 {
		BF16sToF32s(dst, src)
		return
	}
	F16sToF32s(dst, src)
}

// transposeBlock is the side of the square that is transposed at a time: both its
// sources and its targets stay in the first-level cache.
const transposeBlock = 32

// transposed returns the [out, in] form of an [in, out] matrix.
func transposed[T float32 | uint16](c *CPU, src []T, out, in int) []T {
	dst := newWeightData[T](len(src))
	c.pool.split(out, transposeBlock, func(lo, hi int) {
		transposeRows(c, dst[lo*in:hi*in], src, out, in, lo, hi)
	})
	return dst
}

// transposeRows writes rows [lo, hi) of the [out, in] form of an [in, out] matrix to dst.
func transposeRows[T float32 | uint16](c *CPU, dst, src []T, out, in, lo, hi int) {
	done := 0
	if s, ok := any(src).([]float32); ok && c.path != pathGeneric && hi-lo == transposeBlock && in > 0 {
		done = transposeColumns(any(dst).([]float32), s[lo:], out, in)
	}
	for k := done; k < in; k += transposeBlock {
		end := min(in, k+transposeBlock)
		for o := lo; o < hi; o++ {
			row := dst[(o-lo)*in+k : (o-lo)*in+end]
			for i := range row {
				row[i] = src[(k+i)*out+o]
			}
		}
	}
}

// rowF32 returns row o of w as float32, in place or widened into buffer [In].
func (w *Weight) rowF32(o int, buffer []float32) []float32 {
	switch {
	case w.f32 != nil:
		return w.f32[o*w.In : (o+1)*w.In]
	case w.i8 != nil:
		return w.scaledRow(o, buffer)
	}
	buffer = buffer[:w.In]
	widen(buffer, w.u16[o*w.In:(o+1)*w.In], w.DType)
	return buffer
}

// WeightRows copies rows of w, widened to float32, into dst [len(rows), In].
func (c *CPU) WeightRows(dst Buffer, w *Weight, rows []int) {
	c.Embed(dst, w, rows, 1, false)
}

// Embed writes row ids[r] of table, times scale, to row r of dst; add sums instead of overwriting.
func (c *CPU) Embed(dst Buffer, table *Weight, ids []int, scale float32, add bool) {
	mustMatch(dst.Rows == len(ids) && dst.Width == table.In, "embed", dst.Rows, dst.Width, len(ids), table.In)
	s := c.takeScratch()
	defer c.giveScratch(s)
	buffer := grown(&s.row, table.In)
	for r, id := range ids {
		y := dst.row(r)
		for i, v := range table.rowF32(id, buffer) {
			if add {
				y[i] += v * scale
			} else {
				y[i] = v * scale
			}
		}
	}
}
