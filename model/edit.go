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
