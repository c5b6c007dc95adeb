package kernels

import "slices"

// ranked is an entry of a ranking.
type ranked interface {
	// rank returns the key, larger first, and the index that breaks ties, smaller first.
	rank() (key float32, index int)
}

func (p FeaturePeak) rank() (float32, int)  { return p.Key, p.Feature }
func (v FeatureValue) rank() (float32, int) { return v.Value, v.Feature }

// before reports whether entry a precedes entry b: NaN first, so that it cannot go
// unseen, then the larger key, then the smaller index. It is a total order: a ranking
// does not depend on the order in which entries were offered.
func before(aKey float32, a int, bKey float32, b int) bool {
	aNaN, bNaN := aKey != aKey, bKey != bKey
	if aNaN != bNaN {
		return aNaN
	}
	if aNaN || aKey == bKey {
		return a < b
	}
	return aKey > bKey
}

// top keeps the first limit entries of a ranking: a heap whose root is the last of them.
type top[T ranked] struct {
	limit int
	items []T
}

// admits reports whether an entry with that rank would be kept.
func (t *top[T]) admits(key float32, index int) bool {
	if len(t.items) < t.limit {
		return true
	}
	if t.limit == 0 {
		return false
	}
	lastKey, last := t.items[0].rank()
	return before(key, index, lastKey, last)
}

// offer keeps e if it is among the first.
func (t *top[T]) offer(e T) {
	key, index := e.rank()
	if !t.admits(key, index) {
		return
	}
	if len(t.items) < t.limit {
		t.items = append(t.items, e)
		t.up(len(t.items) - 1)
		return
	}
	t.items[0] = e
	t.down(0)
}

// less reports whether item i precedes item j.
func (t *top[T]) less(i, j int) bool {
	iKey, iIndex := t.items[i].rank()
	jKey, jIndex := t.items[j].rank()
	return before(iKey, iIndex, jKey, jIndex)
}

func (t *top[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !t.less(parent, i) {
			return
		}
		t.items[i], t.items[parent] = t.items[parent], t.items[i]
		i = parent
	}
}

func (t *top[T]) down(i int) {
	for {
		last := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.items); child++ {
			if t.less(last, child) {
				last = child
			}
		}
		if last == i {
			return
		}
		t.items[i], t.items[last] = t.items[last], t.items[i]
		i = last
	}
}

// sorted returns the kept entries in order. The heap is no longer usable.
func (t *top[T]) sorted() []T {
	slices.SortFunc(t.items, func(a, b T) int {
		aKey, aIndex := a.rank()
		bKey, bIndex := b.rank()
		if before(aKey, aIndex, bKey, bIndex) {
			return -1
		}
		return 1
	})
	return t.items
}

// TopPerRow returns the k largest values of every row of x, value descending, then column ascending.
func (c *CPU) TopPerRow(x Buffer, k int) [][]FeatureValue {
	result := make([][]FeatureValue, x.Rows)
	eachRow(c, x.Rows, x.Width, x, func(c *CPU, x Buffer, lo, hi int) {
		for r := lo; r < hi; r++ {
			best := top[FeatureValue]{limit: min(k, x.Width)}
			done := 0
			if c.path != pathGeneric {
				done = offerRow(&best, x.row(r))
			}
			for i, v := range x.row(r)[done:] {
				best.offer(FeatureValue{done + i, v})
			}
			result[r] = best.sorted()
		}
	})
	return result
}
