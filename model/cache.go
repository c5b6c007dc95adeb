package model

import (
	"slices"

	"npinf/kernels"
)

// Cache holds the keys and values of a sequence's earlier tokens. It belongs to one
// sequence and one Model, and is not safe for concurrent use.
type Cache struct {
	device kernels.Device
	depth  int
	layers []layerCache
	length int // positions stored, the same in every layer

	expected int  // see Expect
	most     int  // see Limit
	byLength bool // rotations depend on what is expected (LongRoPE)
}

// layerCache is what one layer remembers: keys, after norm and rotation, and values,
// [capacity, kv width]; or the state of a linear attention.
type layerCache struct {
	keys, values kernels.Buffer
	first        int // position of row 0: what a window has passed is forgotten
	window       int // keys a query sees, itself included; 0 = all. Layers that share keys see as many
	state        *recurrentState
}

// smallestCapacity is the number of positions a cache starts with.
const smallestCapacity = 64

// windowSlack is how many rows a layer with a window has beyond those that the next query
// sees. They are moved to the front when it is full: a window of 4096 copies 32 rows per
// token, which is little beside an attention that reads 4096.
const windowSlack = 128

// NewCache makes an empty cache for the given number of layers from the first on, 0
// meaning all of them. A sequence that is only read at early layers needs no more than
// those: with a cache, Forward runs every layer the cache has.
func (m *Model) NewCache(layers int) *Cache {
	if layers <= 0 || layers > len(m.arch.blocks) {
		layers = len(m.arch.blocks)
	}
	c := &Cache{device: m.device, depth: layers, layers: make([]layerCache, layers)}
	for i := range c.layers {
		a := &m.arch.blocks[i].attention
		c.layers[i].window = a.window
		c.byLength = c.byLength || a.rotary != nil && a.rotary.long != nil
	}
	return c
}

// Limit says how many positions the cache will ever hold, so that it takes no memory for
// more. Should more come, they still fit.
func (c *Cache) Limit(positions int) { c.most = positions }

// Len is the number of positions stored.
func (c *Cache) Len() int { return c.length }

// Expect announces how many positions a prompt that comes in chunks will have. Rotary
// embeddings that depend on the length of the sequence (LongRoPE) then treat every chunk
// as part of the whole prompt.
func (c *Cache) Expect(positions int) { c.expected = positions }

// Truncate forgets all positions from length on, so that another continuation can follow
// the same beginning. It reports whether the cache now holds at most length positions:
// linear attention cannot go back, nor can a window to keys that it has passed, so that such
// a cache is left as it is.
func (c *Cache) Truncate(length int) bool {
	length = max(length, 0)
	if length >= c.length {
		return true
	}
	if !c.reaches(length) {
		return false
	}
	c.length = length
	for i := range c.layers {
		c.layers[i].first = min(c.layers[i].first, length)
	}
	return true
}

// Resume makes an empty cache begin with a copy of the first positions of another one of the
// same model. It reports false, and changes nothing, where those cannot be had: a window has
// passed some, a linear attention has gone on, or the other one is not Comparable.
func (c *Cache) Resume(other *Cache, length int) bool {
	if c.length > 0 || length > other.length || !c.Comparable(other) || !other.reaches(length) {
		return false
	}
	for i := range c.layers {
		from, to := &other.layers[i], &c.layers[i]
		to.state = from.state // every pass makes a new one
		if from.keys.IsZero() {
			continue
		}
		first := max(from.firstSeen(length), from.first)
		count := length - first
		c.makeRoom(to, count, from.keys.Width, from.values.Width)
		to.first = first
		copyRows := func(to, from kernels.Buffer, at int) {
			c.device.Copy(c.device.View(to, 0, count, 0, to.Width), c.device.View(from, at, count, 0, from.Width))
		}
		copyRows(to.keys, from.keys, first-from.first)
		copyRows(to.values, from.values, first-from.first)
	}
	c.length = length
	return true
}

// Comparable reports whether two caches of one model hold the same for the same tokens: where
// rotations depend on the length of a prompt (LongRoPE), they must expect the same.
func (c *Cache) Comparable(other *Cache) bool {
	return c.depth == other.depth && (!c.byLength || c.expected == other.expected)
}

// reaches reports whether everything is there that queries from a position on see.
func (c *Cache) reaches(position int) bool {
	return !slices.ContainsFunc(c.layers, func(l layerCache) bool {
		return l.state != nil && position != c.length || position > 0 && l.first > l.firstSeen(position)
	})
}

// firstSeen is the first position that queries from a position on see.
func (l *layerCache) firstSeen(position int) int {
	if l.window == 0 {
		return 0
	}
	return max(position+1-l.window, 0)
}

// commit makes the rows and states of a successful pass part of the cache.
func (c *Cache) commit(added int, states map[int]*recurrentState) {
	c.length += added
	for layer, state := range states {
		c.layers[layer].state = state
	}
}

// Bytes is the device memory held.
func (c *Cache) Bytes() int64 {
	total := int64(0)
	for _, layer := range c.layers {
		total += 4 * int64(layer.keys.Rows) * int64(layer.keys.Stride+layer.values.Stride)
		if layer.state != nil {
			total += 4 * int64(len(layer.state.memory)+len(layer.state.window))
		}
	}
	return total
}

// Release gives the memory back and empties the cache, which can be used again.
func (c *Cache) Release() {
	for i := range c.layers {
		c.device.Release(c.layers[i].keys)
		c.device.Release(c.layers[i].values)
		c.layers[i] = layerCache{window: c.layers[i].window}
	}
	c.length, c.expected = 0, 0
}

// append stores new rows behind the committed ones and returns all that their queries may
// see, the first one's position with them. The length grows only when the whole forward pass
// has succeeded.
func (c *Cache) append(layer int, keys, values kernels.Buffer) (allKeys, allValues kernels.Buffer, first int) {
	l := &c.layers[layer]
	c.makeRoom(l, keys.Rows, keys.Width, values.Width)
	c.device.Copy(c.device.View(l.keys, c.length-l.first, keys.Rows, 0, keys.Width), keys)
	c.device.Copy(c.device.View(l.values, c.length-l.first, values.Rows, 0, values.Width), values)
	return c.all(layer, keys.Rows)
}

// all returns a layer's rows, the added new ones included, and the position of the first.
func (c *Cache) all(layer, added int) (keys, values kernels.Buffer, first int) {
	l := &c.layers[layer]
	total := c.length - l.first + added
	return c.device.View(l.keys, 0, total, 0, l.keys.Width), c.device.View(l.values, 0, total, 0, l.values.Width), l.first
}

// makeRoom sees to it that added rows fit behind a layer's committed ones. A layer with a
// window forgets what it has passed before it takes more memory than the window asks for.
func (c *Cache) makeRoom(l *layerCache, added, keyWidth, valueWidth int) {
	stored := c.length - l.first
	if !l.keys.IsZero() && stored+added <= l.keys.Rows {
		return
	}
	capacity := max(2*l.keys.Rows, smallestCapacity)
	drop := 0
	if bound := l.window - 1 + windowSlack; l.window > 0 {
		if stored+added > bound {
			drop = l.firstSeen(c.length) - l.first
		}
		capacity = min(capacity, bound)
	}
	if c.most > 0 {
		capacity = min(capacity, c.most)
	}
	capacity = max(capacity, stored-drop+added)
	l.keys = c.moved(l.keys, drop, stored-drop, capacity, keyWidth)
	l.values = c.moved(l.values, drop, stored-drop, capacity, valueWidth)
	l.first += drop
}

// moved returns a buffer for capacity rows that begins with rows [from, from+count) of old:
// old itself when that has such a size, else another in its place.
func (c *Cache) moved(old kernels.Buffer, from, count, capacity, width int) kernels.Buffer {
	if old.Rows != capacity || old.IsZero() {
		fresh := c.device.NewBuffer(capacity, width)
		if count > 0 {
			c.device.Copy(c.device.View(fresh, 0, count, 0, width), c.device.View(old, from, count, 0, width))
		}
		c.device.Release(old)
		return fresh
	}
	for at := 0; at < count; at += from { // from rows at a time, so that no copy overlaps its source
		rows := min(from, count-at)
		c.device.Copy(c.device.View(old, at, rows, 0, width), c.device.View(old, from+at, rows, 0, width))
	}
	return old
}
