package kernels

import "math"

// Norm normalises src into dst, which may be src.
func (c *CPU) Norm(dst, src Buffer, n Norm) {
	mustMatch(sameShape(dst, src), "norm", dst.Rows, dst.Width, src.Rows, src.Width)
	group := n.Group
	if group == 0 {
		group = src.Width
	}
	if src.Width == 0 {
		return
	}
	mustMatch(group > 0 && src.Width%group == 0, "norm group", src.Width, group)
	for _, p := range [...]Buffer{n.Gain, n.Bias} {
		mustMatch(p.IsZero() || p.Width == group || p.Width == src.Width, "norm gain or bias", p.Width, group, src.Width)
	}
	n.Group = group
	eachRow(c, src.Rows, src.Width, normalisation{n, dst, src}, normRows)
}

// normalisation is a Norm, its group filled in, of src into dst.
type normalisation struct {
	Norm
	dst, src Buffer
}

func normRows(c *CPU, n normalisation, lo, hi int) {
	for r := lo; r < hi; r++ {
		y, x := n.dst.row(r), n.src.row(r)
		for at := 0; at < len(x); at += n.Group {
			end := at + n.Group
			gain, bias := groupOf(n.Gain, at, n.Group), groupOf(n.Bias, at, n.Group)
			if c.path != pathGeneric && n.Group%8 == 0 {
				normVector(y[at:end], x[at:end], gain, bias, n.Kind, n.Eps)
			} else {
				normGo(y[at:end], x[at:end], gain, bias, n.Kind, n.Eps)
			}
		}
	}
}

// groupOf returns the part of a gain or bias that belongs to the columns [at, at+group).
func groupOf(p Buffer, at, group int) []float32 {
	switch {
	case p.IsZero():
		return nil
	case p.Width == group:
		return p.host[:group]
	}
	return p.host[at : at+group]
}

// normGo normalises one group as its NormKind says, then multiplies by gain and adds
// bias where these are not nil:
//
//	RMSNorm     x / sqrt(mean(x²) + eps)
//	LayerNorm   (x - mean) / sqrt(mean((x - mean)²) + eps)
//	SampleNorm  (x - mean) / (sqrt(sum((x - mean)²) / (n-1)) + eps)
//	LengthNorm  x · sqrt(n) / sqrt(sum(x²))
//
// Sums are taken in float64.
func normGo(y, x, gain, bias []float32, kind NormKind, eps float32) {
	var mean, squares float64
	if kind == LayerNorm || kind == SampleNorm {
		for _, v := range x {
			mean += float64(v)
		}
		mean /= float64(len(x))
	}
	for _, v := range x {
		d := float64(v) - mean
		squares += d * d
	}
	inverse := inverseNorm(kind, squares, len(x), float64(eps))
	for i, v := range x {
		z := float32((float64(v) - mean) * inverse)
		if gain != nil {
			z *= gain[i]
		}
		if bias != nil {
			z += bias[i]
		}
		y[i] = z
	}
}

// inverseNorm returns what n centred numbers are multiplied by, given the sum of their squares.
func inverseNorm(kind NormKind, squares float64, n int, eps float64) float64 {
	switch kind {
	case SampleNorm:
		return 1 / (math.Sqrt(squares/float64(n-1)) + eps)
	case LengthNorm:
		return math.Sqrt(float64(n) / squares) // infinite for a zero row, whose zeros become NaN
	}
	return 1 / math.Sqrt(squares/float64(n)+eps)
}
