package kernels

// tile is a part of a product x·Wᵀ: all rows of x for a run of outputs, one output's
// rows side by side. It lies in a thread's scratch and is valid only during its consumer.
type tile struct {
	values []float32 // output i's row r is values[i*stride+r]
	stride int
	first  int // the first output
	count  int // outputs
	rows   int
}

// of returns the rows of output first+i.
func (t *tile) of(i int) []float32 { return t.values[i*t.stride : i*t.stride+t.rows] }

const (
	// chunkOutputs is how many outputs one chunk of a product computes: its weights stay
	// in the second-level cache while the panels of x pass by.
	chunkOutputs = 48
	// maxTileFloats bounds a tile, so that scratch stays in the second-level cache too.
	maxTileFloats = 96 << 10
	// inlineProduct is the number of multiplications below which threads do not pay.
	inlineProduct = 64 << 10
)

// chunkFor returns the outputs per chunk of a product with that many rows.
func chunkFor(rows int) int {
	fit := maxTileFloats / max(rows, 1) / 8 * 8
	return min(max(fit, 8), chunkOutputs)
}

// product computes x·Wᵀ in chunks of outputs and hands each finished tile to consume,
// from several threads at once. Every weight is read once. The order of summation
// depends on the row and on x's shape alone: equal rows of W give equal bits.
// A nil w stands for the identity.
func (c *CPU) product(x Buffer, w *Weight, consume func(s *scratch, t *tile)) {
	outputs := x.Width
	if w != nil {
		mustMatch(x.Width == w.In, "product", x.Rows, x.Width, w.Out, w.In)
		outputs = w.Out
	}
	if x.Rows == 0 || outputs == 0 {
		return
	}
	chunk := chunkFor(x.Rows)
	if x.Rows*x.Width*outputs < inlineProduct {
		chunk = min(chunk, outputs)
	}
	c.pool.split(outputs, chunk, func(lo, hi int) {
		s := c.takeScratch()
		defer c.giveScratch(s)
		t := tile{values: grown(&s.tile, (hi-lo)*x.Rows), stride: x.Rows, first: lo, count: hi - lo, rows: x.Rows}
		if w == nil {
			copyColumns(&t, x)
		} else {
			productGo(&t, x, w, s)
		}
		consume(s, &t)
	})
}

// copyColumns fills t with columns of x: the product with the identity.
func copyColumns(t *tile, x Buffer) {
	for r := range x.Rows {
		row := x.row(r)[t.first : t.first+t.count]
		for i, v := range row {
			t.values[i*t.stride+r] = v
		}
	}
}

// productGo fills t:
//
//	for i in outputs, r in rows:
//		t[i][r] = sum over k, ascending, of x[r][k] · w[first+i][k]
func productGo(t *tile, x Buffer, w *Weight, s *scratch) {
	buffer := grown(&s.weights, w.In)
	for i := range t.count {
		weights := w.rowF32(t.first+i, buffer)
		out := t.of(i)
		r := 0
		for ; r+4 <= x.Rows; r += 4 {
			dotGo4((*[4]float32)(out[r:]), weights, x.row(r), x.row(r+1), x.row(r+2), x.row(r+3))
		}
		for ; r < x.Rows; r++ {
			out[r] = dotGo(weights, x.row(r))
		}
	}
}

// dotGo returns the sum over k, ascending, of a[k]·b[k].
func dotGo(a, b []float32) float32 {
	var sum float32
	b = b[:len(a)]
	for k, v := range a {
		sum += v * b[k]
	}
	return sum
}

// dotGo4 is dotGo for four rows at once, which hides the latency of the additions.
func dotGo4(out *[4]float32, a, b0, b1, b2, b3 []float32) {
	var s0, s1, s2, s3 float32
	n := len(a)
	b0, b1, b2, b3 = b0[:n], b1[:n], b2[:n], b3[:n]
	for k, v := range a {
		s0 += v * b0[k]
		s1 += v * b1[k]
		s2 += v * b2[k]
		s3 += v * b3[k]
	}
	*out = [4]float32{s0, s1, s2, s3}
}

// Linear computes dst = x·wᵀ + bias, or dst += with add. dst must not overlap x.
func (c *CPU) Linear(dst, x Buffer, w *Weight, bias Buffer, add bool) {
	mustMatch(dst.Rows == x.Rows && dst.Width == w.Out, "linear", dst.Rows, dst.Width, x.Rows, w.Out)
	mustMatch(bias.IsZero() || bias.Width == w.Out && bias.Rows == 1, "linear bias", bias.Rows, bias.Width, w.Out)
	c.product(x, w, func(_ *scratch, t *tile) {
		for i := range t.count {
			column := t.first + i
			var b float32
			if !bias.IsZero() {
				b = bias.host[column]
			}
			for r, v := range t.of(i) {
				y := &dst.host[r*dst.Stride+column]
				if add {
					*y += v + b
				} else {
					*y = v + b
				}
			}
		}
	})
}
