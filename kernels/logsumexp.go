package kernels

import "math"

// LogSumExp returns log Σ exp(x[r]) of every row. It is NaN for a row with a NaN, -Inf for one
// of -Inf alone.
func (c *CPU) LogSumExp(x Buffer) []float64 {
	sums := make([]float64, x.Rows)
	eachRow(c, x.Rows, x.Width*4, x, func(c *CPU, x Buffer, lo, hi int) {
		for r := lo; r < hi; r++ {
			sums[r] = c.logSumExp(x.row(r))
		}
	})
	return sums
}

func (c *CPU) logSumExp(row []float32) float64 {
	largest := c.largest(row)
	if largest != largest || math.IsInf(float64(largest), 0) {
		return float64(largest)
	}
	sum := 0.0
	done := 0
	if c.path != pathGeneric {
		sum, done = expSumBlocks(row, largest)
	}
	for _, v := range row[done:] {
		sum += math.Exp(float64(v) - float64(largest))
	}
	return float64(largest) + math.Log(sum)
}

// largest is the maximum of a row, NaN when it holds one and -Inf when it is empty.
func (c *CPU) largest(row []float32) float32 {
	most, done := float32(math.Inf(-1)), 0
	if c.path != pathGeneric {
		most, done = maxBlock(row)
	}
	for _, v := range row[done:] {
		most = max(most, v) // a NaN wins
	}
	return most
}
