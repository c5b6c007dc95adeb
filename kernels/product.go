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

// chunkFor returns the outputs per chunk of a product: a multiple of every kernel's tile
// where there are panels. Without, every thread gets equally many chunks, and a multiple of
// the four streams.
func (c *CPU) chunkFor(p *packedRows, outputs int) int {
	work := p.x.Rows * p.x.Width * outputs
	switch {
	case work < inlineProduct:
		return outputs
	case p.panels == nil && c.path != pathGeneric:
		rounds := max(4, (outputs+decodeOutputs*c.pool.threads-1)/(decodeOutputs*c.pool.threads))
		chunk := (outputs + rounds*c.pool.threads - 1) / (rounds * c.pool.threads)
		return max((chunk+3)/4*4, 16)
	case p.x.Rows*chunkOutputs > maxTileFloats:
		return chunkOutputs / 2
	}
	return chunkOutputs
}

// productTask is one product on its way, or several of the same x: x·Wᵀ in chunks of
// outputs. Tasks are used again, so that a product allocates nothing.
type productTask struct {
	c       *CPU
	p       packedRows
	parts   [maxProducts]productPart
	count   int // parts in use
	outputs int // of all parts
	grain   int // outputs per chunk
	consume func(s *scratch, t *tile)
	chunk   func(i int) // compute, bound once
}

// maxProducts is how many products of the same x go into one parallel loop.
const maxProducts = 4

// productPart is one of the products of a task.
type productPart struct {
	w       *Weight // nil stands for the identity
	pairs   bool    // x is rounded to bfloat16, for every part of the task
	outputs int
	first   int      // where its outputs begin among those of all parts
	store   operands // without consume: dst = product + a, plus dst when add is set
	add     bool
}

func (c *CPU) takeTask() *productTask {
	if t, ok := c.tasks.Get().(*productTask); ok {
		return t
	}
	t := &productTask{c: c}
	t.chunk = t.compute
	return t
}

// include adds a product to a task, of the same x as the others and weights of the same type.
func (t *productTask) include(part productPart) {
	part.first = t.outputs
	t.parts[t.count] = part
	t.outputs += part.outputs
	t.count++
}

// product computes x·Wᵀ in chunks of outputs and hands each finished tile to consume,
// from several threads at once. Every weight is read once. The order of summation
// depends on the row and on x's shape alone: equal rows of W give equal bits.
// A nil w stands for the identity.
func (c *CPU) product(x Buffer, w *Weight, consume func(s *scratch, t *tile)) {
	t := c.takeTask()
	part := productPart{w: w, outputs: x.Width}
	if w != nil {
		mustMatch(x.Width == w.In, "product", x.Rows, x.Width, w.Out, w.In)
		part.outputs = w.Out
	}
	t.consume = consume
	t.include(part)
	t.run(x)
}

// run computes the products of x and gives the task back.
func (t *productTask) run(x Buffer) {
	c := t.c
	if x.Rows > 0 && t.outputs > 0 {
		t.p = packedRows{x: x, stride: x.Rows}
		switch first := &t.parts[0]; {
		case first.w == nil || c.path == pathGeneric:
		case first.pairs:
			t.p = c.packPairs(x)
		default:
			t.p = c.pack(x, first.w.DType)
		}
		t.grain = c.chunkFor(&t.p, t.outputs)
		c.pool.each((t.outputs+t.grain-1)/t.grain, t.chunk)
		c.buffers.give(t.p.panels)
		c.Release(t.p.rounded)
	}
	*t = productTask{c: c, chunk: t.chunk}
	c.tasks.Put(t)
}

// compute computes the outputs of one chunk, which may belong to several products.
func (t *productTask) compute(chunk int) {
	s := t.c.takeScratch()
	defer t.c.giveScratch(s)
	lo := chunk * t.grain
	hi := min(lo+t.grain, t.outputs)
	for i := range t.parts[:t.count] {
		job := &t.parts[i]
		if first, end := max(lo, job.first), min(hi, job.first+job.outputs); first < end {
			t.computeTile(job, s, first-job.first, end-first)
		}
	}
}

// computeTile computes and uses count outputs of a product from first on.
func (t *productTask) computeTile(job *productPart, s *scratch, first, count int) {
	c, x, part := t.c, t.p.x, &s.tile
	*part = tile{values: part.values, stride: t.p.stride, first: first, count: count, rows: x.Rows}
	part.values = grown(&part.values, (part.count+tilePadding)*part.stride)
	switch {
	case job.w == nil:
		copyColumns(part, x)
	case c.path == pathGeneric:
		productGo(part, x, job.w, s)
	case job.pairs:
		c.fillPairs(part, &t.p, job.w, s)
	default:
		c.fill(part, &t.p, job.w, s)
	}
	if job.w != nil && job.w.i8 != nil {
		c.scaleTile(part, job.w.scales)
	}
	if t.consume != nil {
		t.consume(s, part)
		return
	}
	job.storeTile(c, part)
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

	rounded Buffer // x as words of two bfloat16, for the kernels for pairs
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
			four[j] = w.factors(t.first+min(i+j, t.count-1), buffer[j*w.In:])
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
