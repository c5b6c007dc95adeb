package kernels

import (
	"cmp"
	"math"
	"slices"
)

// choice is a feature in the ranking of one row.
type choice struct {
	feature    int
	key, value float32 // what it is ranked by; the activation, Scale included
}

func (c choice) rank() (float32, int) { return c.key, c.feature }

// EncodeTopPerRow returns the k largest activations of every row, value descending, then
// feature ascending; zeros fill up when fewer fire.
func (c *CPU) EncodeTopPerRow(x Buffer, e *Encoder, k int) [][]FeatureValue {
	e.mustMatch(x)
	k = max(min(k, e.Features), 0)
	if e.ranking() {
		return sparseTops(c.chosen(x, e), e.Features, k)
	}
	result := make([][]FeatureValue, x.Rows)
	for r, best := range c.rankRows(x, e, k).rows {
		for _, v := range best.sorted() {
			result[r] = append(result[r], FeatureValue{v.feature, v.value})
		}
	}
	return result
}

// EncodeActive returns the non-zero activations of every row, feature ascending.
func (c *CPU) EncodeActive(x Buffer, e *Encoder) [][]FeatureValue {
	e.mustMatch(x)
	if e.ranking() {
		return c.chosen(x, e)
	}
	parts := perThread[[][]FeatureValue]{create: func() *[][]FeatureValue {
		rows := make([][]FeatureValue, x.Rows)
		return &rows
	}}
	c.product(x, e.W, func(s *scratch, t *tile) {
		part := parts.take()
		defer parts.give(part)
		values := grown(&s.row, x.Rows)
		for i, m := range c.maxima(s, t) {
			if e.silent(m, t.first+i) {
				continue
			}
			u := e.ruleOf(t.first + i)
			u.activations(values, t.of(i))
			for r, v := range values {
				if v != 0 {
					(*part)[r] = append((*part)[r], FeatureValue{t.first + i, v})
				}
			}
		}
	})
	result := make([][]FeatureValue, x.Rows)
	for r := range result {
		count := 0
		for _, part := range parts.all {
			count += len((*part)[r])
		}
		result[r] = make([]FeatureValue, 0, count)
		for _, part := range parts.all {
			result[r] = append(result[r], (*part)[r]...)
		}
		byFeature(result[r])
	}
	return result
}

// EncodeFeatures returns the activations of the given features, dst [rows, len(features)].
func (c *CPU) EncodeFeatures(dst, x Buffer, e *Encoder, features []int) {
	e.mustMatch(x)
	mustMatch(dst.Rows == x.Rows && dst.Width == len(features), "encode features", dst.Rows, dst.Width, x.Rows, len(features))
	if e.ranking() {
		scatterChosen(dst, c.chosen(x, e), features)
		return
	}
	if e.W == nil {
		for i, f := range features {
			u := e.ruleOf(f)
			for r := range x.Rows {
				dst.row(r)[i] = u.value(x.row(r)[f]) * u.scale
			}
		}
		return
	}
	// The wanted weight rows become a small matrix of their own.
	c.product(x, c.chosenRows(e.W, features), func(_ *scratch, t *tile) {
		for i := range t.count {
			u := e.ruleOf(features[t.first+i])
			for r, p := range t.of(i) {
				dst.row(r)[t.first+i] = u.value(p) * u.scale
			}
		}
	})
}

// rowTops is the ranking of the features of every row.
type rowTops struct {
	rows []top[choice]
	bars []float32 // smaller keys do not come into a row any more
}

func newRowTops(rows, k int) *rowTops {
	t := &rowTops{rows: make([]top[choice], rows), bars: make([]float32, rows)}
	for r := range t.rows {
		t.rows[r].limit = k
		t.bars[r] = float32(math.Inf(-1))
	}
	return t
}

// offer ranks v in row r.
func (t *rowTops) offer(r int, v choice) {
	row := &t.rows[r]
	row.offer(v)
	if len(row.items) == row.limit && row.limit > 0 && row.items[0].key == row.items[0].key {
		t.bars[r] = row.items[0].key
	}
}

// weakest returns the last entry that any of the rows keeps; full says that all are full.
func (t *rowTops) weakest() (last choice, full bool) {
	for r := range t.rows {
		row := &t.rows[r]
		if len(row.items) < row.limit || row.limit == 0 {
			return choice{}, false
		}
		if root := row.items[0]; r == 0 || before(last.key, last.feature, root.key, root.feature) {
			last = root
		}
	}
	return last, true
}

// rankRows ranks the features of every row and keeps the first k: by key for the ranking
// rules, by activation for the others.
func (c *CPU) rankRows(x Buffer, e *Encoder, k int) *rowTops {
	parts := perThread[rowTops]{create: func() *rowTops { return newRowTops(x.Rows, k) }}
	c.product(x, e.W, func(s *scratch, t *tile) {
		part := parts.take()
		defer parts.give(part)
		last, full := part.weakest()
		zeroCounts := !full || before(0, t.first, last.key, last.feature)
		for i, m := range c.maxima(s, t) {
			if !zeroCounts && e.silent(m, t.first+i) {
				continue
			}
			u := e.ruleOf(t.first + i)
			bound, known := u.bound(m)
			if e.ranking() {
				bound = u.key(m)
				known = known && e.Kind == EncodeTopK
			}
			if !full || !known || before(bound, t.first+i, last.key, last.feature) {
				part.offerAll(&u, t.first+i, t.of(i))
			}
		}
	})
	all := newRowTops(x.Rows, k)
	for _, part := range parts.all {
		for r := range part.rows {
			for _, v := range part.rows[r].items {
				all.offer(r, v)
			}
		}
	}
	return all
}

// offerAll ranks one feature in every row, given its products.
func (t *rowTops) offerAll(u *rule, feature int, products []float32) {
	ranking := u.kind == EncodeTopK || u.kind == EncodeAbsTopK
	bars := t.bars[:len(products)]
	for r, p := range products {
		var key float32
		if ranking {
			key = u.key(p)
		} else {
			key = u.value(p) * u.scale
		}
		if key < bars[r] {
			continue
		}
		t.offer(r, choice{feature: feature, key: key, value: u.value(p) * u.scale})
	}
}

// chosen returns the non-zero activations of every row under a ranking rule, feature ascending.
func (c *CPU) chosen(x Buffer, e *Encoder) [][]FeatureValue {
	result := make([][]FeatureValue, x.Rows)
	for r, best := range c.rankRows(x, e, max(min(e.K, e.Features), 0)).rows {
		for _, v := range best.items {
			if v.value != 0 {
				result[r] = append(result[r], FeatureValue{v.feature, v.value})
			}
		}
		byFeature(result[r])
	}
	return result
}

func byFeature(values []FeatureValue) {
	slices.SortFunc(values, func(a, b FeatureValue) int { return cmp.Compare(a.Feature, b.Feature) })
}

// sparseTops returns the k largest of all features of every row, given its non-zero ones.
func sparseTops(rows [][]FeatureValue, features, k int) [][]FeatureValue {
	result := make([][]FeatureValue, len(rows))
	for r, active := range rows {
		best := top[FeatureValue]{limit: k}
		for _, v := range active {
			best.offer(v)
		}
		// The zeros: the first k features that are not active suffice.
		for f, zeros := 0, 0; f < features && zeros < k; f++ {
			if len(active) > 0 && active[0].Feature == f {
				active = active[1:]
				continue
			}
			best.offer(FeatureValue{Feature: f})
			zeros++
		}
		result[r] = best.sorted()
	}
	return result
}

// sparsePeaks is EncodePeaks for rows given by their non-zero activations.
func sparsePeaks(rows [][]FeatureValue, features int, o PeakOptions) []FeaturePeak {
	type entry struct {
		feature, row int
		value        float32
	}
	var active []entry
	for r, values := range rows {
		for _, v := range values {
			active = append(active, entry{v.Feature, r, v.Value})
		}
	}
	slices.SortFunc(active, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.feature, b.feature), cmp.Compare(a.row, b.row))
	})
	best := top[FeaturePeak]{limit: o.Top}
	values := make([]float32, len(rows))
	for f := range features {
		if len(active) == 0 || active[0].feature != f {
			best.offer(FeaturePeak{Feature: f})
			continue
		}
		clear(values)
		for len(active) > 0 && active[0].feature == f {
			values[active[0].row] = active[0].value
			active = active[1:]
		}
		best.offer(peakOf(f, values, &o))
	}
	return best.sorted()
}

// scatterChosen writes the activations of the given features, zero where a row has none.
func scatterChosen(dst Buffer, rows [][]FeatureValue, features []int) {
	for r, active := range rows {
		for i, f := range features {
			at, found := slices.BinarySearchFunc(active, f, func(v FeatureValue, f int) int { return cmp.Compare(v.Feature, f) })
			dst.row(r)[i] = 0
			if found {
				dst.row(r)[i] = active[at].Value
			}
		}
	}
}
