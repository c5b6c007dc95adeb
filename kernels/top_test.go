package kernels

import (
	"math"
	"slices"
	"testing"
)

func TestTopPerRow(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(33)
		for _, width := range []int{1, 5, 64, 200, 5000} {
			x, _ := framed(t, c, 3, width)
			c.Copy(x, c.Upload(3, width, integers(r, 3*width)))
			for _, k := range []int{0, 1, 10, width + 1} {
				for i, got := range c.TopPerRow(x, k) {
					if want := topOf(x.row(i), k); !slices.Equal(got, want) {
						t.Fatalf("top %d of %d: %v, want %v", k, width, got, want)
					}
				}
			}
			x.row(1)[width-1] = float32(math.NaN())
			if first := c.TopPerRow(x, 2)[1][0]; first.Feature != width-1 || first.Value == first.Value {
				t.Fatalf("width %d: a NaN came out as %v", width, first)
			}
		}
	})
}

// The maximum over rows is NaN wherever the one NaN stands.
func TestMaximaFindsEveryNaN(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, rows := range []int{1, 7, 8, 9, 16, 40, 67} {
			for at := range rows {
				tl := &tile{values: random(newRand(35), 3*rows), stride: rows, count: 3, rows: rows}
				want := slices.Max(tl.of(2))
				tl.of(1)[at] = float32(math.NaN())
				m := c.maxima(new(scratch), tl)
				if m[1] == m[1] || m[2] != want {
					t.Fatalf("%d rows, NaN in row %d: maxima %v, want NaN and %v", rows, at, m[1:], want)
				}
			}
		}
	})
}
