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
	var err error
	if m.DType == F32 {
		err = placeFrom(c, w, m, c.placeF32)
	} else {
		err = placeFrom(c, w, m, func(w *Weight, from memory[uint16], keep bool) error { return c.placeHalves(w, from, m.DType, keep) })
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// placeFrom reads a matrix, transposes it if need be and hands it to place, which may keep it
// when it is a copy or may be borrowed.
func placeFrom[T float32 | uint16](c *CPU, w *Weight, m HostMatrix, place func(w *Weight, from memory[T], keep bool) error) error {
	from, own, err := hostValues[T](m.Data)
	if err != nil {
		return err
	}
	if m.Transposed {
		stored := from
		from, err = transposed(c, stored.values, m.Out, m.In)
		stored.release()
		if err != nil {
			return err
		}
	}
	return place(w, from, own || m.Transposed || m.Borrow)
}

// Unload gives back the memory of a weight that nobody uses, or will use. Twice is once.
func (c *CPU) Unload(w *Weight) {
	free := w.free
	w.f32, w.u16, w.i8, w.scales, w.free = nil, nil, nil, nil, nil
	if free != nil {
		free()
	}
}

// hostValues reads little-endian numbers, in place where the machine allows it; own says that
// the result is a copy.
func hostValues[T float32 | uint16](data []byte) (read memory[T], own bool, err error) {
	size := int(unsafe.Sizeof(T(0)))
	n := len(data) / size
	if n == 0 {
		return plain([]T{}), true, nil
	}
	if p := unsafe.Pointer(unsafe.SliceData(data)); littleEndian && uintptr(p)%uintptr(size) == 0 {
		return plain(unsafe.Slice((*T)(p), n)), false, nil
	}
	if read, err = newMemory[T](n); err != nil {
		return read, true, err
	}
	if littleEndian {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&read.values[0])), len(data)), data)
	} else if _, err = binary.Decode(data, binary.LittleEndian, read.values); err != nil {
		panic(err) // the lengths agree
	}
	return read, true, nil
}

// convertChunk is how many elements one thread converts at a time.
const convertChunk = 64 << 10

// placeF32 stores float32 values in w's type; keep says that they may stay where they are.
// Memory of their own that does not stay is given back.
func (c *CPU) placeF32(w *Weight, from memory[float32], keep bool) error {
	if w.DType == F32 && keep {
		w.f32, w.free = from.values, from.free
		return nil
	}
	defer from.release()
	if w.DType == F32 {
		return copyOf(&w.f32, w, from.values)
	}
	to, err := newMemory[uint16](len(from.values))
	if err != nil {
		return err
	}
	w.u16, w.free = to.values, to.free
	c.pool.split(len(from.values), convertChunk, func(lo, hi int) {
		if w.DType == BF16 {
			F32sToBF16s(w.u16[lo:hi], from.values[lo:hi])
		} else {
			F32sToF16s(w.u16[lo:hi], from.values[lo:hi])
		}
	})
	return nil
}

// placeHalves is placeF32 for 16-bit values of type stored.
func (c *CPU) placeHalves(w *Weight, from memory[uint16], stored DType, keep bool) error {
	if w.DType == stored && keep {
		w.u16, w.free = from.values, from.free
		return nil
	}
	defer from.release()
	if w.DType == stored {
		return copyOf(&w.u16, w, from.values)
	}
	wide, err := newMemory[float32](len(from.values))
	if err != nil {
		return err
	}
	c.pool.split(len(from.values), convertChunk, func(lo, hi int) {
		c.widen(wide.values[lo:hi], from.values[lo:hi], stored)
	})
	return c.placeF32(w, wide, true)
}

// copyOf stores a copy of some values in a field of w.
func copyOf[T float32 | uint16](field *[]T, w *Weight, values []T) error {
	to, err := newMemory[T](len(values))
	if err != nil {
		return err
	}
	copy(to.values, values)
	*field, w.free = to.values, to.free
	return nil
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
func transposed[T float32 | uint16](c *CPU, src []T, out, in int) (memory[T], error) {
	to, err := newMemory[T](len(src))
	if err != nil {
		return to, err
	}
	dst := to.values
	c.pool.split(out, transposeBlock, func(lo, hi int) {
		transposeRows(c, dst[lo*in:hi*in], src, out, in, lo, hi)
	})
	return to, nil
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
