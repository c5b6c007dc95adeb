package kernels

import (
	"math"
	"testing"
)

func TestLogSumExp(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, width := range []int{1, 7, 8, 1023, 5000} {
			for _, scale := range []float32{0.1, 30, 1e4} {
				values := sweep(3, 3*width)
				for i := range values {
					values[i] *= scale
				}
				x := c.View(c.Upload(3, width, values), 0, 3, 0, width)
				for r, got := range c.LogSumExp(x) {
					row, largest, sum := values[r*width:][:width], math.Inf(-1), 0.0
					for _, v := range row {
						largest = max(largest, float64(v))
					}
					for _, v := range row {
						sum += math.Exp(float64(v) - largest)
					}
					if want := largest + math.Log(sum); !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
						t.Errorf("width %d, scale %v: %v, want %v", width, scale, got, want)
					}
				}
			}
		}
	})
}

func TestLogSumExpOfSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, want := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Log(8)} {
			values := make([]float32, 40)
			for i := range values {
				values[i] = -inf
			}
			switch {
			case math.IsNaN(want):
				values[17] = nan
			case math.IsInf(want, 1):
				values[35] = inf
			case want > 0:
				clear(values[:8])
			}
			got := c.LogSumExp(c.Upload(1, 40, values))[0]
			if got != want && !(math.Abs(got-want) < 1e-6) && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Errorf("%v, want %v", got, want)
			}
		}
	})
}
