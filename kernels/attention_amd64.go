package kernels

import (
	"math"
	"unsafe"
)

// panelAttentionRows is the fewest query rows for which panels pay.
const panelAttentionRows = 4

// attendAll computes attentions on a vector path: those of a few queries together, because
// each alone is too short to be worth handing to threads, the others in turn.
func (c *CPU) attendAll(jobs []Attention) {
	t := c.takeReaders()
	for i := range jobs {
		switch a := &jobs[i]; {
		case a.Q.Rows == 0 || a.Heads == 0:
		case a.Q.Rows < panelAttentionRows || a.K.Rows == 0:
			t.include(a)
		default:
			shared := *a // the caller's jobs stay on the stack
			c.attendPanels(&shared)
		}
	}
	t.run()
}

// attendTask is attentions of a few rows each on their way: keys stream past a few queries,
// head by head and row by row. Tasks are used again, so that decoding allocates nothing.
type attendTask struct {
	jobs  []Attention
	c     *CPU
	work  int         // of all jobs, about as many multiplications
	units int         // heads times rows of all jobs
	grain int         // units per chunk
	chunk func(i int) // compute, bound once
}

func (c *CPU) takeReaders() *attendTask {
	if t, ok := c.readers.Get().(*attendTask); ok {
		return t
	}
	t := &attendTask{c: c}
	t.chunk = t.compute
	return t
}

// include adds an attention to a task.
func (t *attendTask) include(a *Attention) {
	units := a.Heads * a.Q.Rows
	t.jobs = append(t.jobs, *a)
	t.units += units
	t.work += units * a.K.Rows * (a.HeadDim + a.ValueDim + 16)
}

// run computes the attentions and gives the task back.
func (t *attendTask) run() {
	if t.units > 0 {
		t.grain = t.c.equalShare(t.units, t.work/inlineProduct+1)
		t.c.pool.each((t.units+t.grain-1)/t.grain, t.chunk)
	}
	clear(t.jobs)
	t.jobs, t.work, t.units = t.jobs[:0], 0, 0
	t.c.readers.Put(t)
}

// equalShare cuts n units into about so many chunks, equally many for every thread if there
// is more than one.
func (c *CPU) equalShare(n, chunks int) int {
	if chunks > 1 {
		chunks = (chunks + c.pool.threads - 1) / c.pool.threads * c.pool.threads
	}
	return max((n+chunks-1)/chunks, 1)
}

// compute computes the heads and rows of one chunk.
func (t *attendTask) compute(chunk int) {
	s := t.c.takeScratch()
	defer t.c.giveScratch(s)
	lo := chunk * t.grain
	hi := min(lo+t.grain, t.units)
	for i := range t.jobs {
		a := &t.jobs[i]
		units := a.Heads * a.Q.Rows
		weights := grown(&s.row, a.K.Rows+tilePadding)
		for unit := max(lo, 0); unit < min(hi, units); unit++ {
			t.c.attendRow(a, unit/a.Q.Rows, unit%a.Q.Rows, weights)
		}
		lo, hi = lo-units, hi-units // counted from the next job's first
	}
}

// attendRow is attendGo with vectors.
func (c *CPU) attendRow(a *Attention, h, r int, weights []float32) {
	kv := h / (a.Heads / a.KVHeads)
	first, end := a.visible(r)
	seen := weights[first:end]
	c.scoreRow(seen, a.Q.row(r)[h*a.HeadDim:(h+1)*a.HeadDim], a.K, first, kv*a.HeadDim)
	for j := range seen {
		seen[j] *= a.Scale
	}
	if a.Softcap != 0 {
		softcapVector(seen, seen, a.Softcap)
	}
	if !a.Scores.IsZero() {
		fillHidden(a.Scores.row(h*a.Q.Rows+r), weights, first, end, -math.MaxFloat32)
	}
	softmaxVector(seen, a.sink(h))
	if !a.Probs.IsZero() {
		fillHidden(a.Probs.row(h*a.Q.Rows+r), weights, first, end, 0)
	}
	sumValues(a.Out.row(r)[h*a.ValueDim:(h+1)*a.ValueDim], seen, a.V, first, kv*a.ValueDim)
}

// scoreRow computes scores[j] = q · (row first+j of keys, from column on), four streams
// at a time. It may write a few floats beyond scores, within its capacity.
func (c *CPU) scoreRow(scores, q []float32, keys Buffer, first, column int) {
	_, step := c.path.dotShape()
	if len(q)%step != 0 || len(q) == 0 {
		for j := range scores {
			scores[j] = dotGo(q, keys.row(first + j)[column:column+len(q)])
		}
		return
	}
	quarter := (len(scores) + 3) / 4
	args := dotArgs{x: [4]*float32{&q[0]}, n: len(q), stride: uintptr(quarter) * 4, ld: uintptr(keys.Stride) * 4, step: 4}
	for i, steps := 0, 1; i < quarter; i += steps {
		steps = 1
		if i == 0 {
			steps = max(len(scores)-3*quarter, 1) // those on which all four streams have a key
		}
		for j := range args.w {
			at := first + min(j*quarter+i, len(scores)-1)
			args.w[j] = unsafe.Pointer(&keys.host[at*keys.Stride+column])
		}
		args.out, args.steps = &scores[i], steps
		c.dotKernel(&args, F32, true)
	}
}

// sumValues computes out = sum over j of p[j] · (row first+j of values, from column on).
func sumValues(out, p []float32, values Buffer, first, column int) {
	groups := len(out) / 8
	if len(p) == 0 {
		clear(out)
		return
	}
	if groups > 0 {
		weightedRows(&out[0], &p[0], &values.host[first*values.Stride+column], uintptr(values.Stride)*4, len(p), groups)
	}
	rest := out[groups*8:]
	clear(rest)
	for j := 0; j < len(p) && len(rest) > 0; j++ {
		for i, v := range values.row(first + j)[column+groups*8 : column+len(out)] {
			rest[i] += p[j] * v
		}
	}
}

// attendPanels computes blocks of query rows with the panel kernels: scores are the
// product of a panel of queries with the keys, and as they come out, [key][row], they are
// the panel that is multiplied with the transposed values.
func (c *CPU) attendPanels(a *Attention) {
	_, width := c.path.tileShape()
	if c.path == pathAVX512 && a.Q.Rows <= width/2 {
		width /= 2
	}
	values := c.transposedValues(a)
	defer c.buffers.give(values)
	blocks := (a.Q.Rows + width - 1) / width
	work := a.K.Rows * (a.HeadDim + a.ValueDim + 16) * width
	c.pool.split(a.Heads*blocks, inlineProduct*2/max(work, 1), func(lo, hi int) {
		s := c.takeScratch()
		defer c.giveScratch(s)
		for i := lo; i < hi; i++ {
			// The last blocks see the most keys: they go first, the short ones fill the end.
			b := blockAttention{Attention: a, c: c, s: s, values: values, width: width}
			b.run(i%a.Heads, (blocks-1-i/a.Heads)*width)
		}
	})
}

// transposedValues returns V as [KVHeads][ValueDim][keys]. The caller gives it back.
func (c *CPU) transposedValues(a *Attention) []float32 {
	keys := a.K.Rows
	values := c.buffers.take(a.V.Width * keys)
	c.pool.split(a.V.Width, max(elementsPerChunk/keys/8, 1)*8, func(lo, hi int) {
		t := tile{values: a.V.host, stride: a.V.Stride, count: keys, rows: hi}
		storeTile(Buffer{Rows: a.V.Width, Width: keys, Stride: keys, host: values}, &t, lo)
	})
	return values
}

// blockAttention is the attention of one head for a block of query rows.
type blockAttention struct {
	*Attention
	c      *CPU
	s      *scratch
	values []float32
	width  int

	head, row, rows int // the block's head, first row and row count
	first, end      int // the keys that any of its rows sees
	maximum, sum    [32]float32
}

// run computes the block of head h that starts at a row.
func (b *blockAttention) run(h, row int) {
	b.head, b.row, b.rows = h, row, min(b.width, b.Q.Rows-row)
	b.first, _ = b.visible(row)
	_, b.end = b.visible(row + b.rows - 1)
	size, _ := b.c.path.tileShape()
	keys := b.end - b.first
	scores := grown(&b.s.tile.values, (keys+size)*b.width)
	if keys > 0 {
		b.score(scores, keys)
		b.softmax(scores[:keys*b.width])
	}
	out := grown(&b.s.row, (b.ValueDim+size)*b.width)
	if keys == 0 {
		clear(out)
	} else {
		kv := h / (b.Heads / b.KVHeads)
		w := Weight{Out: b.ValueDim, In: b.K.Rows, f32: b.values[kv*b.ValueDim*b.K.Rows : (kv+1)*b.ValueDim*b.K.Rows]}
		for k := 0; k < keys; k += blockK {
			b.multiply(out, &w, b.K.Rows, b.first+k, min(blockK, keys-k), scores[k*b.width:], k)
		}
		lanesScale(&out[0], &b.sum[0], b.ValueDim, b.width/8)
	}
	t := tile{values: out, stride: b.width, count: b.ValueDim, rows: b.rows}
	storeTile(b.c.View(b.Out, row, b.rows, h*b.ValueDim, b.ValueDim), &t, 0)
}

// score fills scores, [key][row], with scaled, capped and masked scores.
func (b *blockAttention) score(scores []float32, keys int) {
	kv := b.head / (b.Heads / b.KVHeads)
	panel := grown(&b.s.panel, b.HeadDim*b.width)
	q := b.c.View(b.Q, b.row, b.rows, b.head*b.HeadDim, b.HeadDim)
	packPanel(panel, q, 0, b.width)
	var scale [32]float32
	for i := range scale {
		scale[i] = b.Scale
	}
	if b.HeadDim > 0 {
		lanesScale(&panel[0], &scale[0], b.HeadDim, b.width/8)
	}
	k := b.c.View(b.K, b.first, keys, kv*b.HeadDim, b.HeadDim)
	w := Weight{Out: keys, In: b.HeadDim, f32: k.host}
	b.multiply(scores, &w, k.Stride, 0, b.HeadDim, panel, 0)
	if b.Softcap != 0 {
		softcapVector(scores[:keys*b.width], scores[:keys*b.width], b.Softcap)
	}
	if !b.Scores.IsZero() {
		b.store(b.Scores, scores, -math.MaxFloat32)
	}
	b.mask(scores, float32(math.Inf(-1)))
}

// multiply computes out[i][r], plus what is there unless accumulate is 0, as the sum over
// k in [k0, k0+n) of w's row i, rows being stride apart, and the panel x.
func (b *blockAttention) multiply(out []float32, w *Weight, stride, k0, n int, x []float32, accumulate int) {
	size, _ := b.c.path.tileShape()
	half := b.c.path == pathAVX512 && b.width == 16
	args := panelArgs{x: &x[0], ld: uintptr(stride) * 4, stride: uintptr(b.width) * 4, n: n, accumulate: accumulate}
	i := 0
	for ; i+size <= w.Out; i += size {
		args.w, args.out = unsafe.Pointer(&w.f32[i*stride+k0]), &out[i*b.width]
		b.c.panelKernel(&args, F32, half)
	}
	if i == w.Out {
		return
	}
	rest := grown(&b.s.weights, size*n)
	for j := i; j < w.Out; j++ {
		copy(rest[(j-i)*n:], w.f32[j*stride+k0:j*stride+k0+n])
	}
	clear(rest[(w.Out-i)*n:])
	args.w, args.ld, args.out = unsafe.Pointer(&rest[0]), uintptr(n)*4, &out[i*b.width]
	b.c.panelKernel(&args, F32, half)
}

// mask writes hidden to the scores of keys that a row does not see.
func (b *blockAttention) mask(scores []float32, hidden float32) {
	for r := range b.rows {
		first, end := b.visible(b.row + r)
		for j := b.first; j < first; j++ {
			scores[(j-b.first)*b.width+r] = hidden
		}
		for j := max(end, b.first); j < b.end; j++ {
			scores[(j-b.first)*b.width+r] = hidden
		}
	}
}

// softmax turns scores into exponentials and leaves in b.sum what they are to be
// multiplied by, 0 for a row that sees nothing.
func (b *blockAttention) softmax(scores []float32) {
	sink := b.sink(b.head)
	for i := range b.maximum {
		b.maximum[i] = max(sink, -math.MaxFloat32)
	}
	lanesExpSum(&scores[0], &b.maximum[0], &b.sum[0], len(scores)/b.width, b.width/8)
	for i, sum := range b.sum {
		sum += float32(math.Exp(float64(sink - b.maximum[i])))
		b.sum[i] = 1 / sum
		if sum == 0 {
			b.sum[i] = 0
		}
	}
	if !b.Probs.IsZero() {
		lanesScale(&scores[0], &b.sum[0], len(scores)/b.width, b.width/8)
		for i := range b.sum {
			b.sum[i] = 1
		}
		b.store(b.Probs, scores, 0)
	}
}

// store writes the block's [key][row] values to its rows of a result and fills the rest.
func (b *blockAttention) store(dst Buffer, values []float32, hidden float32) {
	at := b.head*b.Q.Rows + b.row
	t := tile{values: values, stride: b.width, count: b.end - b.first, rows: b.rows}
	storeTile(b.c.View(dst, at, b.rows, b.first, t.count), &t, 0)
	for r := range b.rows {
		first, end := b.visible(b.row + r)
		y := dst.row(at + r)
		for j := range y[:first] {
			y[j] = hidden
		}
		for j := end; j < len(y); j++ {
			y[j] = hidden
		}
	}
}
