package model

// CacheSize tells the memory of a sequence's cache.
type CacheSize struct {
	// TokenBytes is the memory of one token's keys and values, while no window has passed any;
	// FixedBytes that of the states of linear attention.
	TokenBytes, FixedBytes int64

	windows map[int]int64 // the part of TokenBytes in layers with a window, by its width
}

// CacheSize is what the caches of this model take.
func (m *Model) CacheSize() CacheSize { return m.arch.cacheSize() }

func (a *architecture) cacheSize() CacheSize {
	size := CacheSize{windows: map[int]int64{}}
	for i := range a.blocks {
		b := &a.blocks[i]
		switch {
		case b.recurrent != nil:
			r := b.recurrent
			size.FixedBytes += 4 * int64((r.kernel-1)*r.channels()+r.valueHeads*r.keyDim*r.valueDim)
		case !b.attention.shares:
			bytes := 4 * 2 * int64(b.attention.keyWidth())
			size.TokenBytes += bytes
			if b.attention.window > 0 {
				size.windows[b.attention.window] += bytes
			}
		}
	}
	return size
}

// Bytes is the most that a cache of so many positions takes, when no pass adds more than
// pass of them.
func (s CacheSize) Bytes(positions, pass int) int64 {
	total := s.FixedBytes + int64(positions)*s.TokenBytes
	for window, bytes := range s.windows {
		if rows := window - 1 + max(pass, windowSlack); rows < positions {
			total -= int64(positions-rows) * bytes
		}
	}
	return total
}
