package kernels

import "sync"

// rule is the activation rule of one feature, its parameters gathered.
type rule struct {
	kind                EncoderKind
	bias, threshold     float32
	magnitude, magnBias float32
	rank, scale         float32
}

// ruleOf returns the rule of a feature.
func (e *Encoder) ruleOf(feature int) rule {
	return rule{
		kind: e.Kind, bias: parameter(e.Bias, feature, 0), threshold: parameter(e.Threshold, feature, 0),
		magnitude: parameter(e.Magnitude, feature, 1), magnBias: parameter(e.MagnitudeBias, feature, 0),
		rank: parameter(e.Rank, feature, 1), scale: parameter(e.Scale, feature, 1),
	}
}

// parameter returns element i of a [1, n] buffer, or absent for the zero Buffer.
func parameter(b Buffer, i int, absent float32) float32 {
	if b.IsZero() {
		return absent
	}
	return b.host[i]
}

// ranking reports whether the rule needs the other features of a row.
func (e *Encoder) ranking() bool { return e.Kind == EncodeTopK || e.Kind == EncodeAbsTopK }

// mustMatch panics when an encoder's shapes do not fit x.
func (e *Encoder) mustMatch(x Buffer) {
	mustMatch(x.Width == e.Width, "encode", x.Width, e.Width)
	if e.W == nil {
		mustMatch(e.Features == e.Width, "encode neurons", e.Features, e.Width)
	} else {
		mustMatch(e.W.Out == e.Features && e.W.In == e.Width, "encode weights", e.W.Out, e.W.In, e.Features, e.Width)
	}
	for _, b := range []Buffer{e.Bias, e.Threshold, e.Magnitude, e.MagnitudeBias, e.Rank, e.Scale} {
		mustMatch(b.IsZero() || b.Width == e.Features && b.Rows == 1, "encode parameters", b.Rows, b.Width, e.Features)
	}
}

// value returns the activation for the product p = x·w, before Scale. For the ranking
// rules it is the value of a chosen feature. A NaN never becomes a zero.
func (u *rule) value(p float32) float32 {
	pre := p + u.bias
	if pre != pre {
		return pre
	}
	switch u.kind {
	case EncodeJumpReLU:
		if !(pre > u.threshold) {
			return 0
		}
		return relu(pre)
	case EncodeGated:
		if !(pre > 0) {
			return 0
		}
		return relu(p*u.magnitude + u.magnBias)
	case EncodeTopK:
		return relu(pre * u.rank)
	case EncodeAbsTopK:
		return pre * u.rank
	case EncodeIdentity:
		return pre
	}
	return relu(pre)
}

// key returns what a ranking rule orders the features of a row by.
func (u *rule) key(p float32) float32 {
	key := (p + u.bias) * u.rank
	if u.kind == EncodeAbsTopK && key < 0 {
		return -key
	}
	return key
}

// perThread hands out accumulators, one to each thread at a time.
type perThread[T any] struct {
	create func() *T
	mu     sync.Mutex
	free   []*T
	all    []*T
}

func (p *perThread[T]) take() *T {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		t := p.free[n-1]
		p.free = p.free[:n-1]
		return t
	}
	t := p.create()
	p.all = append(p.all, t)
	return t
}

func (p *perThread[T]) give(t *T) {
	p.mu.Lock()
	p.free = append(p.free, t)
	p.mu.Unlock()
}

// EncodePeaks encodes all rows of x and returns the features with the largest keys, key
// descending, then feature ascending; a NaN comes first. No [rows, features] buffer is made.
func (c *CPU) EncodePeaks(x Buffer, e *Encoder, o PeakOptions) []FeaturePeak {
	e.mustMatch(x)
	mustMatch(o.ZeroRows == nil || len(o.ZeroRows) == x.Rows, "encode zero rows", len(o.ZeroRows), x.Rows)
	if x.Rows == 0 || o.Top <= 0 {
		return nil
	}
	if e.ranking() {
		return sparsePeaks(c.chosen(x, e), e.Features, o)
	}
	tops := perThread[top[FeaturePeak]]{create: func() *top[FeaturePeak] { return &top[FeaturePeak]{limit: o.Top} }}
	c.product(x, e.W, func(s *scratch, t *tile) {
		best := tops.take()
		defer tops.give(best)
		values := grown(&s.row, x.Rows)
		for i := range t.count {
			e.activations(values, t.of(i), t.first+i)
			best.offer(peakOf(t.first+i, values, o))
		}
	})
	return merged(tops.all, o.Top)
}

// activations computes one feature's activation in every row from its products.
func (e *Encoder) activations(dst, products []float32, feature int) {
	u := e.ruleOf(feature)
	for r, p := range products {
		dst[r] = u.value(p) * u.scale
	}
}

// peakOf summarises a feature's activations, one per row. It clears the zero rows.
func peakOf(feature int, values []float32, o PeakOptions) FeaturePeak {
	for r, zero := range o.ZeroRows {
		if zero {
			values[r] = 0
		}
	}
	p := FeaturePeak{Feature: feature, Max: values[0]}
	for r, v := range values {
		if before(v, r, p.Max, p.MaxRow) {
			p.Max, p.MaxRow = v, r
		}
	}
	p.Key = p.Max
	if len(o.SortRows) > 0 {
		for _, r := range o.SortRows {
			p.Sum += values[r]
		}
		p.Key = p.Sum
	}
	return p
}

// merged combines the threads' rankings.
func merged[T ranked](parts []*top[T], limit int) []T {
	all := top[T]{limit: limit}
	for _, part := range parts {
		for _, item := range part.items {
			all.offer(item)
		}
	}
	return all.sorted()
}
