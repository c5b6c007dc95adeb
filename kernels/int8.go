package kernels

import (
	"fmt"
	"math"
)

// int8Most is the largest integer of an I8 weight; the smallest is its negative.
const int8Most = 127

// smallestScale is the smallest normal number: below it a scale would lose its digits, so
// that rows whose largest value is below 1.5e-36 count as zeros.
const smallestScale = 1.1754943508222875e-38

// quantized makes an I8 weight of a matrix: every row becomes integers q and one scale,
// largest magnitude / 127, with w ≈ scale·q. No element is off by more than half the scale.
// The matrix is read where it lies, a few rows at a time, and not kept.
func (c *CPU) quantized(m HostMatrix) (*Weight, error) {
	to, err := newMemory[int8](m.Out * m.In)
	if err != nil {
		return nil, err
	}
	w := &Weight{Out: m.Out, In: m.In, DType: I8, i8: to.values, scales: make([]float32, m.Out), free: to.free}
	grain := max(convertChunk/max(m.In, 1), 1)
	file := HostMatrix{Data: m.Data, DType: m.DType, Out: m.Out, In: m.In, Borrow: true}
	if m.Transposed {
		file.Out, file.In, grain = m.In, m.Out, transposeBlock
	}
	stored, err := c.LoadWeight(file)
	if err != nil {
		to.release()
		return nil, err
	}
	defer c.Unload(stored)
	c.pool.split(w.Out, grain, func(lo, hi int) {
		s := c.takeScratch()
		defer c.giveScratch(s)
		if m.Transposed {
			c.quantizeRows(w, lo, hi, c.turnedRows(stored, s, lo, hi))
			return
		}
		for o := lo; o < hi; o++ {
			c.quantizeRows(w, o, o+1, c.storedRow(stored, o, grown(&s.row, w.In)))
		}
	})
	for o, scale := range w.scales {
		if scale-scale != 0 {
			to.release()
			return nil, fmt.Errorf("output %d has a weight that is NaN or infinite, which int8 cannot hold: load it as it is stored, or repair the file", o)
		}
	}
	return w, nil
}

// storedRow is rowF32 with the device's own instructions.
func (c *CPU) storedRow(stored *Weight, o int, buffer []float32) []float32 {
	if stored.f32 == nil {
		c.widen(buffer, stored.u16[o*stored.In:(o+1)*stored.In], stored.DType)
		return buffer
	}
	return stored.rowF32(o, buffer)
}

// turnedRows returns columns [lo, hi) of a stored weight as rows.
func (c *CPU) turnedRows(stored *Weight, s *scratch, lo, hi int) []float32 {
	out, in := stored.In, stored.Out
	rows := grown(&s.row, (hi-lo)*in)
	if stored.f32 != nil {
		transposeRows(c, rows, stored.f32, out, in, lo, hi)
		return rows
	}
	halves := make([]uint16, len(rows))
	transposeRows(c, halves, stored.u16, out, in, lo, hi)
	c.widen(rows, halves, stored.DType)
	return rows
}

// quantizeRows fills rows [lo, hi) of w.
func (c *CPU) quantizeRows(w *Weight, lo, hi int, rows []float32) {
	for o := lo; o < hi; o++ {
		w.scales[o] = c.quantizeRow(w.i8[o*w.In:(o+1)*w.In], rows[(o-lo)*w.In:(o-lo+1)*w.In])
	}
}

// quantizeRow fills dst with round(row/scale), halves to even, and returns the scale, which
// is no number when the row holds one that is none.
func (c *CPU) quantizeRow(dst []int8, row []float32) (scale float32) {
	done := 0
	var largest uint32
	if c.path != pathGeneric {
		largest, done = largestVector(row)
	}
	scale = math.Float32frombits(largestGo(largest, row[done:])) / int8Most
	if scale < smallestScale {
		clear(dst)
		return 0
	}
	if scale-scale != 0 {
		return scale
	}
	done = 0
	if c.path != pathGeneric {
		done = quantizeVector(dst, row, scale)
	}
	quantizeGo(dst[done:], row[done:], scale)
	return scale
}

// largestGo returns the largest magnitude of row and of what has the bits of largest, as
// bits: infinities are larger than all numbers, and NaN larger than those.
func largestGo(largest uint32, row []float32) uint32 {
	for _, v := range row {
		largest = max(largest, math.Float32bits(v)&^(1<<31))
	}
	return largest
}

// quantizeGo computes dst[i] = round(src[i] / scale), halves to even.
func quantizeGo(dst []int8, src []float32, scale float32) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = int8(math.RoundToEven(float64(v / scale)))
	}
}

// widenInt8 computes dst[i] = src[i].
func widenInt8(dst []float32, src []int8) {
	dst = dst[:len(src)]
	for i, q := range src {
		dst[i] = float32(q)
	}
}

// factors returns row o of w as products sum it: float32, but without the scale of an I8
// row, which multiplies the finished sum. It is w's own memory or lies in buffer [In].
func (w *Weight) factors(o int, buffer []float32) []float32 {
	if w.i8 == nil {
		return w.rowF32(o, buffer)
	}
	buffer = buffer[:w.In]
	widenInt8(buffer, w.i8[o*w.In:(o+1)*w.In])
	return buffer
}

// scaledRow is rowF32 for an I8 weight.
func (w *Weight) scaledRow(o int, buffer []float32) []float32 {
	row := w.factors(o, buffer)
	for i := range row {
		row[i] *= w.scales[o]
	}
	return row
}

// chosenRows makes a weight of some rows of w, with which products have the same bits.
func (c *CPU) chosenRows(w *Weight, rows []int) *Weight {
	if w.i8 == nil {
		chosen := &Weight{Out: len(rows), In: w.In, f32: make([]float32, len(rows)*w.In)}
		c.WeightRows(Buffer{Rows: chosen.Out, Width: w.In, Stride: w.In, host: chosen.f32}, w, rows)
		return chosen
	}
	chosen := &Weight{Out: len(rows), In: w.In, DType: I8, i8: make([]int8, len(rows)*w.In), scales: make([]float32, len(rows))}
	for i, o := range rows {
		copy(chosen.i8[i*w.In:], w.i8[o*w.In:(o+1)*w.In])
		chosen.scales[i] = w.scales[o]
	}
	return chosen
}

// scaleTile multiplies the sums of each output by the scale of its weight row.
func (c *CPU) scaleTile(t *tile, scales []float32) {
	scales = scales[t.first : t.first+t.count]
	if t.stride == 1 && c.path != pathGeneric {
		mulRow(t.values[:t.count], t.values[:t.count], scales)
		return
	}
	done := 0
	if c.path != pathGeneric {
		done = scaleBlocks(t, scales)
	}
	for i, scale := range scales {
		values := t.of(i)[done:]
		for r := range values {
			values[r] *= scale
		}
	}
}
