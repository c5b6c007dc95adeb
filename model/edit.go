package model

import "fmt"

// CheckEdit says why the rows of a point cannot be changed at a layer: everything that Check
// refuses, and points that only show what was computed on the side.
func (m *Model) CheckEdit(a Address) error { return m.arch.checkEdit(a) }

func (a *architecture) checkEdit(address Address) error {
	row, _, err := a.lookup(address)
	if err != nil {
		return err
	}
	if !row.editable {
		return fmt.Errorf("point %s cannot be changed", row.point)
	}
	return nil
}

// CachePositionBytes is the device memory one position takes in a full cache.
func (m *Model) CachePositionBytes() int64 {
	total := int64(0)
	for i := range m.arch.blocks {
		total += 4 * 2 * int64(m.arch.blocks[i].attention.keyWidth())
	}
	return total
}
