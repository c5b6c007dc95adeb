package model

import "npinf/kernels"

// Cache holds the keys and values of a sequence's earlier tokens. It belongs to one
// sequence and one Model, and is not safe for concurrent use.
type Cache struct {
	device kernels.Device
	depth  int
	layers []layerCache
	length int // positions stored, the same in every layer

	expected int // see Expect
	most     int // see Limit
}

// layerCache is what one layer remembers: keys, after norm and rotation, and values,
// [capacity, kv width]; or the state of a linear attention.
type layerCache struct {
	keys, values kernels.Buffer
	state        *recurrentState
}

// smallestCapacity is the number of positions a cache starts with.
const smallestCapacity = 64

// NewCache makes an empty cache for the given number of layers from the first on, 0
// meaning all of them. A sequence that is only read at early layers needs no more than
// those: with a cache, Forward runs every layer the cache has.
func (m *Model) NewCache(layers int) *Cache {
	if layers <= 0 || layers > len(m.arch.blocks) {
		layers = len(m.arch.blocks)
	}
	return &Cache{device: m.device, depth: layers, layers: make([]layerCache, layers)}
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
// linear attention cannot go back, so that such a cache is left as it is.
func (c *Cache) Truncate(length int) bool {
	if length >= c.length {
		return true
	}
	for _, layer := range c.layers {
		if layer.state != nil {
			return false
		}
	}
	c.length = max(length, 0)
	return true
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
		c.layers[i] = layerCache{}
	}
	c.length, c.expected = 0, 0
}

// append stores new rows behind the committed ones and returns all of them. The length
// grows only when the whole forward pass has succeeded.
func (c *Cache) append(layer int, keys, values kernels.Buffer) (allKeys, allValues kernels.Buffer) {
	l := &c.layers[layer]
	total := c.length + keys.Rows
	l.keys = c.grow(l.keys, total, keys.Width)
	l.values = c.grow(l.values, total, values.Width)
	c.device.Copy(c.device.View(l.keys, c.length, keys.Rows, 0, keys.Width), keys)
	c.device.Copy(c.device.View(l.values, c.length, values.Rows, 0, values.Width), values)
	return c.all(layer, keys.Rows)
}

// all returns a layer's rows, the added new ones included.
func (c *Cache) all(layer, added int) (keys, values kernels.Buffer) {
	l, total := &c.layers[layer], c.length+added
	return c.device.View(l.keys, 0, total, 0, l.keys.Width), c.device.View(l.values, 0, total, 0, l.values.Width)
}

// grow returns a buffer of at least rows rows that starts with the committed rows of old.
func (c *Cache) grow(old kernels.Buffer, rows, width int) kernels.Buffer {
	if !old.IsZero() && old.Rows >= rows {
		return old
	}
	capacity := max(2*old.Rows, smallestCapacity)
	if c.most > 0 {
		capacity = min(capacity, c.most)
	}
	grown := c.device.NewBuffer(max(rows, capacity), width)
	if !old.IsZero() {
		c.device.Copy(c.device.View(grown, 0, c.length, 0, width), c.device.View(old, 0, c.length, 0, width))
		c.device.Release(old)
	}
	return grown
}
