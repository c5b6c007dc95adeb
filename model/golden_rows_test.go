package model

import (
	"math"
	"npinf/kernels"
	"strings"
)

// compare checks a buffer row by row; hidden entries of attn_scores are left out.
func (c *checkpoint) compare(what, stored string, got kernels.Buffer) {
	c.t.Helper()
	tensor, ok := c.tensors[stored]
	if !ok {
		c.t.Fatalf("no expected tensor %s", stored)
	}
	expected, err := tensor.Floats()
	if err != nil {
		c.t.Fatal(err)
	}
	if got.Rows*got.Width != len(expected) {
		c.t.Errorf("%s (%s): got [%d, %d], want %v", what, stored, got.Rows, got.Width, tensor.Shape)
		return
	}
	values := make([]float32, len(expected))
	c.device.Download(values, got)
	width, typical := got.Width, 0.0
	if strings.HasSuffix(stored, string(AttnScores)) {
		typical = rootMeanSquare(expected)
	}
	for row := 0; row < got.Rows; row++ {
		a, b := values[row*width:(row+1)*width], expected[row*width:(row+1)*width]
		distance := rowError(a, b, typical)
		if distance > c.worst {
			c.worst, c.worstAt = distance, stored
		}
		if !(distance <= c.tolerance) {
			c.t.Errorf("%s (%s) row %d: relative error %.3g, tolerance %.3g", what, stored, row, distance, c.tolerance)
			return
		}
	}
	c.compared++
}

// rowError is ‖a-b‖/‖b‖ over the entries that are not hidden by a mask. Each entry of b
// counts as no smaller than typical: an early row of attn_scores is a single dot product,
// which may cancel to almost nothing and then has no digits to compare.
func rowError(a, b []float32, typical float64) float64 {
	difference, norm, least := 0.0, 0.0, 0.0
	for i := range b {
		if b[i] < hidden {
			if !(a[i] < hidden) {
				return math.Inf(1) // seen, although hidden
			}
			continue
		}
		d := float64(a[i]) - float64(b[i])
		difference += d * d
		norm += float64(b[i]) * float64(b[i])
		least += typical * typical
	}
	if difference == 0 {
		return 0
	}
	return math.Sqrt(difference / max(norm, least))
}

// hidden is what masked scores lie below.
const hidden = -1e38

// rootMeanSquare is taken over the visible entries.
func rootMeanSquare(values []float32) float64 {
	sum, count := 0.0, 0
	for _, v := range values {
		if v > hidden {
			sum += float64(v) * float64(v)
			count++
		}
	}
	return math.Sqrt(sum / float64(max(count, 1)))
}
