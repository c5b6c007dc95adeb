package kernels

// RowDots computes dst[r] = x[r] · row, summed in float64 so that a projection does not
// depend on how many rows there are.
func (c *CPU) RowDots(dst, x, row Buffer) {
	mustMatch(dst.Rows == x.Rows && dst.Width == 1 && row.Rows == 1 && row.Width == x.Width, "row dots",
		dst.Rows, dst.Width, x.Rows, x.Width, row.Rows, row.Width)
	eachRow(c, x.Rows, x.Width, operands{dst: dst, a: x, b: row}, rowDotsRows)
}

func rowDotsRows(_ *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		sum := 0.0
		values := o.a.row(r)
		for i, v := range o.b.row(0) {
			sum += float64(values[i]) * float64(v)
		}
		o.dst.row(r)[0] = float32(sum)
	}
}

// AddScaledRow computes dst[r] += scales[r] · row. A row whose scale is 0 is left alone, NaN
// and infinity in row included.
func (c *CPU) AddScaledRow(dst, scales, row Buffer) {
	mustMatch(scales.Rows == dst.Rows && scales.Width == 1 && row.Rows == 1 && row.Width == dst.Width, "add scaled row",
		dst.Rows, dst.Width, scales.Rows, scales.Width, row.Rows, row.Width)
	eachRow(c, dst.Rows, dst.Width, operands{dst: dst, a: scales, b: row}, addScaledRows)
}

func addScaledRows(_ *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		s := o.a.row(r)[0]
		if s == 0 {
			continue
		}
		y := o.dst.row(r)
		for i, v := range o.b.row(0) {
			y[i] += s * v
		}
	}
}
