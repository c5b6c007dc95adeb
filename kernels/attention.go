package kernels

import "math"

// Attend computes softmax(Scale·Q·Kᵀ + mask)·V for every head and row of a sequence.
// A row that sees no key yields zeros.
func (c *CPU) Attend(a Attention) { c.AttendAll([]Attention{a}) }

// AttendAll computes several attentions, each as Attend does, sharing the threads.
func (c *CPU) AttendAll(jobs []Attention) {
	for i := range jobs {
		jobs[i].mustMatch()
	}
	if c.path != pathGeneric {
		c.attendAll(jobs)
		return
	}
	for i := range jobs {
		if jobs[i].Q.Rows > 0 && jobs[i].Heads > 0 {
			shared := jobs[i] // the caller's jobs stay on the stack
			c.attendGeneric(&shared)
		}
	}
}

// attendGeneric computes head by head and row by row in plain Go.
func (c *CPU) attendGeneric(a *Attention) {
	work := a.K.Rows * (a.HeadDim + a.ValueDim + 8)
	c.pool.split(a.Heads*a.Q.Rows, elementsPerChunk*2/max(work, 1), func(lo, hi int) {
		s := c.takeScratch()
		defer c.giveScratch(s)
		weights := grown(&s.row, a.K.Rows)
		for i := lo; i < hi; i++ {
			attendGo(a, i/a.Q.Rows, i%a.Q.Rows, weights)
		}
	})
}

// mustMatch panics when the shapes of an attention do not fit together.
func (a *Attention) mustMatch() {
	mustMatch(a.KVHeads > 0 && a.Heads%a.KVHeads == 0, "attention heads", a.Heads, a.KVHeads)
	mustMatch(a.Q.Width == a.Heads*a.HeadDim && a.K.Width == a.KVHeads*a.HeadDim && a.V.Width == a.KVHeads*a.ValueDim &&
		a.Out.Width == a.Heads*a.ValueDim, "attention widths", a.Q.Width, a.K.Width, a.V.Width, a.Out.Width)
	mustMatch(a.K.Rows == a.V.Rows && a.Q.Rows == a.Out.Rows, "attention rows", a.Q.Rows, a.K.Rows, a.V.Rows, a.Out.Rows)
	mustMatch(a.Sinks.IsZero() || a.Sinks.Width == a.Heads, "attention sinks", a.Sinks.Width, a.Heads)
	for _, b := range [...]Buffer{a.Scores, a.Probs} {
		mustMatch(b.IsZero() || b.Rows == a.Heads*a.Q.Rows && b.Width == a.K.Rows, "attention results", b.Rows, b.Width)
	}
}

// visible returns the range [first, end) of K's rows that query row r sees.
func (a *Attention) visible(r int) (first, end int) {
	position := a.FirstPosition + r
	end = min(max(position+1-a.FirstKey, 0), a.K.Rows)
	if a.Window > 0 {
		first = max(position+1-a.Window-a.FirstKey, 0)
	}
	return min(first, end), end
}

// attendGo computes head h of query row r:
//
//	score[j] = cap(Scale · q·k[j])          for visible j
//	p[j]     = exp(score[j]) / (sum of exp(score) + exp(sink))
//	out      = sum over j of p[j] · v[j]
//
// weights is working memory for one float per key.
func attendGo(a *Attention, h, r int, weights []float32) {
	kv := h / (a.Heads / a.KVHeads)
	q := a.Q.row(r)[h*a.HeadDim : (h+1)*a.HeadDim]
	first, end := a.visible(r)
	for j := first; j < end; j++ {
		weights[j] = a.Scale * dotGo(q, a.K.row(j)[kv*a.HeadDim:(kv+1)*a.HeadDim])
	}
	if a.Softcap != 0 {
		softcapGo(weights[first:end], weights[first:end], a.Softcap)
	}
	if !a.Scores.IsZero() {
		fillHidden(a.Scores.row(h*a.Q.Rows+r), weights, first, end, -math.MaxFloat32)
	}
	softmaxGo(weights[first:end], a.sink(h))
	if !a.Probs.IsZero() {
		fillHidden(a.Probs.row(h*a.Q.Rows+r), weights, first, end, 0)
	}
	out := a.Out.row(r)[h*a.ValueDim : (h+1)*a.ValueDim]
	clear(out)
	for j := first; j < end; j++ {
		p := weights[j]
		for i, v := range a.V.row(j)[kv*a.ValueDim : (kv+1)*a.ValueDim] {
			out[i] += p * v
		}
	}
}

// sink returns the extra logit of head h, -Inf without one.
func (a *Attention) sink(h int) float32 {
	if a.Sinks.IsZero() {
		return float32(math.Inf(-1))
	}
	return a.Sinks.host[h]
}

// fillHidden copies values[first:end] to the same place in dst and fills the rest.
func fillHidden(dst, values []float32, first, end int, hidden float32) {
	for j := range dst {
		dst[j] = hidden
	}
	copy(dst[first:end], values[first:end])
}

// softmaxGo turns scores into probabilities in place; sink is a logit that takes
// probability and has no place.
func softmaxGo(scores []float32, sink float32) {
	top := sink
	for _, s := range scores {
		top = max(top, s) // a NaN wins, as it must
	}
	if math.IsInf(float64(top), -1) {
		clear(scores)
		return
	}
	sum := math.Exp(float64(sink) - float64(top))
	for i, s := range scores {
		e := math.Exp(float64(s) - float64(top))
		sum += e
		scores[i] = float32(e)
	}
	for i := range scores {
		scores[i] = float32(float64(scores[i]) / sum)
	}
}
