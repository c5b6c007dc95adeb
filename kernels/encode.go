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
		kind: e.Kind, bias: parameter(e.Bias.host, feature, 0), threshold: parameter(e.Threshold.host, feature, 0),
		magnitude: parameter(e.Magnitude.host, feature, 1), magnBias: parameter(e.MagnitudeBias.host, feature, 0),
		rank: parameter(e.Rank.host, feature, 1), scale: parameter(e.Scale.host, feature, 1),
	}
}

// parameter returns values[i], or absent when there are none.
func parameter(values []float32, i int, absent float32) float32 {
	if values == nil {
		return absent
	}
	return values[i]
}

// silent reports whether a feature whose largest product is m is zero in every row, as
// most features are: the cheap answer before the rule is gathered. A NaN is not silent.
func (e *Encoder) silent(m float32, feature int) bool {
	return e.Kind <= EncodeGated && m+parameter(e.Bias.host, feature, 0) <= 0
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
	for _, r := range o.SortRows {
		mustMatch(r >= 0 && r < x.Rows, "encode sort rows", r, x.Rows)
	}
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
		zeroCounts := best.admits(0, t.first)
		for i, m := range c.maxima(s, t) {
			feature := t.first + i
			if !zeroCounts && e.silent(m, feature) {
				continue
			}
			u := e.ruleOf(feature)
			if bound, known := u.peakBound(m, &o); known && !best.admits(bound, feature) {
				continue
			}
			u.activations(values, t.of(i))
			best.offer(peakOf(feature, values, &o))
		}
	})
	return merged(tops.all, o.Top)
}

// maxima returns the largest product of each of the tile's outputs, NaN when one is.
// Activations grow with products, so that most features need no closer look.
func (c *CPU) maxima(s *scratch, t *tile) []float32 {
	m := grown(&s.maxima, t.count)
	done := 0
	if c.path != pathGeneric {
		done = maxBlocks(m, t)
	}
	for i := range m {
		m[i] = maxRowGo(m[i], t.of(i), done)
	}
	return m
}

// maxRowGo returns the maximum of m, which stands for the first done values, and the
// other values; a NaN wins.
func maxRowGo(m float32, values []float32, done int) float32 {
	if done == 0 {
		m, done = values[0], 1
	}
	for _, v := range values[done:] {
		if v > m || v != v {
			m = v
		}
		if m != m {
			break
		}
	}
	return m
}

// bound returns the largest activation that products up to m can give; known is false
// when the rule does not grow with the product or m is no number.
func (u *rule) bound(m float32) (largest float32, known bool) {
	largest = u.value(m) * u.scale
	return largest, u.scale >= 0 && u.magnitude >= 0 && u.rank >= 0 && largest == largest
}

// peakBound is bound for the key of a FeaturePeak.
func (u *rule) peakBound(m float32, o *PeakOptions) (key float32, known bool) {
	key, known = u.bound(m)
	if o.ZeroRows != nil {
		key = max(key, 0)
	}
	if n := len(o.SortRows); n > 0 {
		// The margin covers the roundings of the sum.
		key *= float32(n)
		key += relu(key) * 1e-6 * float32(n)
		known = known && (key >= 0 || n == 1)
	}
	return key, known
}

// activations computes one feature's activation in every row from its products.
func (u *rule) activations(dst, products []float32) {
	for r, p := range products {
		dst[r] = u.value(p) * u.scale
	}
}

// peakOf summarises a feature's activations, one per row. It clears the zero rows.
func peakOf(feature int, values []float32, o *PeakOptions) FeaturePeak {
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
