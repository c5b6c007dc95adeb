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
	// decodeOutputs is the same for a few rows, where four streams run through a chunk.
	decodeOutputs = 192
	// maxTileFloats bounds a tile, so that scratch stays in the second-level cache too.
	maxTileFloats = 96 << 10
	// inlineProduct is the number of multiplications below which threads do not pay.
	inlineProduct = 64 << 10
)

// chunkFor returns the outputs per chunk of a product: a multiple of every kernel's tile.
func (c *CPU) chunkFor(p *packedRows, outputs int) int {
	work := p.x.Rows * p.x.Width * outputs
	switch {
	case work < inlineProduct:
		return outputs
	case p.panels == nil && c.path != pathGeneric:
		return min(decodeOutputs, max(outputs/(4*c.pool.threads)/16*16, 16))
	case p.x.Rows*chunkOutputs > maxTileFloats:
		return chunkOutputs / 2
	}
	return chunkOutputs
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
	p := packedRows{x: x, stride: x.Rows}
	if w != nil && c.path != pathGeneric {
		p = c.pack(x)
		defer c.buffers.give(p.panels)
	}
	c.pool.split(outputs, c.chunkFor(&p, outputs), func(lo, hi int) {
		s := c.takeScratch()
		defer c.giveScratch(s)
		t := &s.tile
		*t = tile{values: t.values, stride: p.stride, first: lo, count: hi - lo, rows: x.Rows}
		t.values = grown(&t.values, (t.count+tilePadding)*t.stride)
		switch {
		case w == nil:
			copyColumns(t, x)
		case c.path == pathGeneric:
			productGo(t, x, w, s)
		default:
			c.fill(t, &p, w, s)
		}
		consume(s, t)
	})
}

// tilePadding is how many outputs more than it was asked for a kernel may write.
const tilePadding = 8

// packedRows is x as the kernels of a vector path want it: most rows in panels, a row to
// a lane; a few rows that would leave a panel mostly empty are used in place.
type packedRows struct {
	x      Buffer
	panels []float32 // [panel][k][width], then perhaps [k][width/2]; nil without panels
	width  int       // rows per panel
	count  int       // whole panels; rows that are missing in the last are zeros
	half   bool      // a panel of half the width follows
	dot    int       // the first row that is used in place; x.Rows without one
	stride int       // rows of a tile, padding included
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
	buffer := grown(&s.weights, 4*w.In)
	for i := 0; i < t.count; i += 4 {
		var four [4][]float32 // the last of fewer than four stands in for the missing
		for j := range four {
			four[j] = w.rowF32(t.first+min(i+j, t.count-1), buffer[j*w.In:])
		}
		for r := range x.Rows {
			sums := dotGo4(x.row(r), four[0], four[1], four[2], four[3])
			for j := 0; j < 4 && i+j < t.count; j++ {
				t.values[(i+j)*t.stride+r] = sums[j]
			}
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
func dotGo4(a, b0, b1, b2, b3 []float32) [4]float32 {
	var s0, s1, s2, s3 float32
	n := len(a)
	b0, b1, b2, b3 = b0[:n], b1[:n], b2[:n], b3[:n]
	for k, v := range a {
		s0 += v * b0[k]
		s1 += v * b1[k]
		s2 += v * b2[k]
		s3 += v * b3[k]
	}
	return [4]float32{s0, s1, s2, s3}
}

// Linear computes dst = x·wᵀ + bias, or dst += with add. dst must not overlap x.
func (c *CPU) Linear(dst, x Buffer, w *Weight, bias Buffer, add bool) {
	mustMatch(dst.Rows == x.Rows && dst.Width == w.Out, "linear", dst.Rows, dst.Width, x.Rows, w.Out)
	mustMatch(bias.IsZero() || bias.Width == w.Out && bias.Rows == 1, "linear bias", bias.Rows, bias.Width, w.Out)
	c.product(x, w, func(_ *scratch, t *tile) {
		done := 0
		if c.path != pathGeneric {
			done = storeBlocks(dst, t, bias, add, 0)
		}
		storeGo(dst, t, bias, add, 0, done, t.count)
		storeGo(dst, t, bias, add, t.rows/8*8, 0, done)
	})
}

// storeGo writes the rows from row on of the tile's outputs [lo, hi) to dst:
//
//	dst[r][first+i] = t[i][r] + bias[first+i], plus what lies there with add
func storeGo(dst Buffer, t *tile, bias Buffer, add bool, row, lo, hi int) {
	for r := row; r < t.rows && lo < hi; r++ {
		y := dst.row(r)[t.first+lo : t.first+hi]
		for i := range y {
			v := t.values[(lo+i)*t.stride+r]
			if !bias.IsZero() {
				v += bias.host[t.first+lo+i]
			}
			if add {
				v += y[i]
			}
			y[i] = v
		}
	}
}
