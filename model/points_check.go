package model

import (
	"fmt"
	"slices"
	"strings"
)

// rowOf finds a point in the table; nil when there is no such point.
func rowOf(point Point) *pointRow {
	for i := range pointTable {
		if pointTable[i].point == point {
			return &pointTable[i]
		}
	}
	return nil
}

func (r *pointRow) inBlock() bool { return r.stage != atEmbedding && r.stage != atHead }

// String returns the address as "resid_post.7", or "embeddings" outside the blocks.
func (a Address) String() string {
	if a.Layer < 0 {
		return string(a.Point)
	}
	return fmt.Sprintf("%s.%d", a.Point, a.Layer)
}

// lookup returns the row and block of an address, or why it cannot be read.
func (a *architecture) lookup(address Address) (*pointRow, *block, error) {
	row := rowOf(address.Point)
	if row == nil {
		return nil, nil, fmt.Errorf("unknown point %q; points are %s", address.Point, strings.Join(pointNames(), ", "))
	}
	if !row.inBlock() {
		if address.Layer != -1 {
			return nil, nil, fmt.Errorf("point %s lies outside the blocks and takes no layer, got %d", address.Point, address.Layer)
		}
		return row, nil, a.refusal(row, nil)
	}
	if address.Layer < 0 || address.Layer >= len(a.blocks) {
		return nil, nil, fmt.Errorf("layer %d of %s is out of range; this model has %d layers (0-%d)",
			address.Layer, address.Point, len(a.blocks), len(a.blocks)-1)
	}
	b := &a.blocks[address.Layer]
	return row, b, a.refusal(row, b)
}

// refusal says why a point does not exist in a block of this architecture.
func (a *architecture) refusal(row *pointRow, b *block) error {
	reason := a.refusals[row.point]
	if reason == "" && row.refuse != nil {
		reason = row.refuse(a, b)
	}
	if reason == "" {
		return nil
	}
	return fmt.Errorf("point %s cannot be captured: %s %s", row.point, a.family, reason)
}

func pointNames() []string {
	names := make([]string, len(pointTable))
	for i, row := range pointTable {
		names[i] = string(row.point)
	}
	slices.Sort(names)
	return names
}

func (m *Model) check(address Address) error {
	_, _, err := m.arch.lookup(address)
	return err
}

func (m *Model) pointWidth(address Address) (int, error) {
	row, b, err := m.arch.lookup(address)
	if err != nil {
		return 0, err
	}
	if row.width == nil {
		return 0, fmt.Errorf("rows of %s are as wide as there are keys", address.Point)
	}
	return row.width(m.arch, b), nil
}

func (m *Model) points() []Point {
	var points []Point
	for i := range pointTable {
		if row := &pointTable[i]; m.hasSomewhere(row) {
			points = append(points, row.point)
		}
	}
	slices.Sort(points)
	return points
}

// hasSomewhere reports whether any layer has the point.
func (m *Model) hasSomewhere(row *pointRow) bool {
	if !row.inBlock() {
		return m.arch.refusal(row, nil) == nil
	}
	for i := range m.arch.blocks {
		if m.arch.refusal(row, &m.arch.blocks[i]) == nil {
			return true
		}
	}
	return false
}
