package kernels

import (
	"math"
	"testing"
)

// Projections on a direction, and moves along it, on every path: odd widths, views, rows
// left alone.
func TestDirections(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, width := range []int{1, 7, 64, 333} {
			values := sweep(3, 5*width)
			x := c.Upload(5, width, values)
			row := c.Upload(1, width, sweep(2, width+1)[1:])
			dots, intact := framed(t, c, 5, 1)
			c.RowDots(dots, x, row)
			intact()
			for r := range 5 {
				want := 0.0
				for i, v := range row.row(0) {
					want += float64(values[r*width+i]) * float64(v)
				}
				if got := dots.row(r)[0]; got != float32(want) {
					t.Errorf("width %d: projection %d is %v, want %v", width, r, got, want)
				}
			}
			scales := c.Upload(5, 1, []float32{1, 0, -2, 0.5, 0})
			moved, intact := framed(t, c, 5, width)
			c.Copy(moved, x)
			c.AddScaledRow(moved, scales, row)
			intact()
			for r := range 5 {
				for i, v := range row.row(0) {
					want := float64(values[r*width+i]) + float64(scales.row(r)[0])*float64(v)
					if got := float64(moved.row(r)[i]); !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
						t.Errorf("width %d: [%d][%d] is %v, want %v", width, r, i, got, want)
					}
				}
			}
		}
	})
}

// A row with scale 0 is not touched, whatever the direction holds.
func TestUnscaledRowsStay(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		x := c.Upload(2, 2, []float32{1, 2, 3, 4})
		c.AddScaledRow(x, c.Upload(2, 1, []float32{0, 1}), c.Upload(1, 2, []float32{float32(math.NaN()), float32(math.Inf(1))}))
		if row := x.row(0); row[0] != 1 || row[1] != 2 {
			t.Errorf("the row that was left alone is %v", row)
		}
		if row := x.row(1); !math.IsNaN(float64(row[0])) || !math.IsInf(float64(row[1]), 1) {
			t.Errorf("the other row is %v", row)
		}
	})
}
