package jinja

import (
	"math"

	"npinf/internal/pyrepr"
)

// Dict is a Python dictionary: it keeps the order of its keys.
type Dict struct {
	keys   []Value
	values []Value
	index  map[any]int
}

// The keys of the index that Go cannot compare as they are.
type (
	noneKey      struct{}
	undefinedKey struct{}
	tupleKey     string
)

// NewDict returns an empty dictionary.
func NewDict() *Dict { return &Dict{index: map[any]int{}} }

// Len returns the number of entries; a nil Dict has none.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.keys)
}

// Keys returns the keys in order; the caller must not change them.
func (d *Dict) Keys() []Value {
	if d == nil {
		return nil
	}
	return d.keys
}

// Set puts a value under a name, in place of an older one. A dictionary must not be changed
// once a template has seen it.
func (d *Dict) Set(name string, value Value) { d.put(name, name, value) }

// Get returns the value under a name.
func (d *Dict) Get(name string) (Value, bool) {
	if d == nil {
		return nil, false
	}
	i, ok := d.index[name]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// put sets the entry whose index key is hashed.
func (d *Dict) put(hashed any, key, value Value) {
	if i, ok := d.index[hashed]; ok {
		d.values[i] = value
		return
	}
	d.index[hashed] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
}

// set and get are d[key] for any key.
func (m *machine) set(d *Dict, key, value Value) { d.put(m.hash(key), key, value) }

func (m *machine) get(d *Dict, key Value) (Value, bool) {
	i, ok := d.index[m.hash(key)]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// hash returns the index key of a value: equal values have equal ones, so 1, 1.0 and True
// are the same key.
func (m *machine) hash(v Value) any {
	switch v := v.(type) {
	case nil:
		return noneKey{}
	case string:
		return v
	case *undefined:
		return undefinedKey{}
	case Tuple:
		return tupleKey(m.repr(v))
	case List, *Dict, *view:
		fail("unhashable type: %s", pyrepr.Quote(typeName(v)))
	}
	if integer, float, isInteger, ok := number(v); ok {
		if isInteger {
			return integer
		}
		if float == math.Trunc(float) && math.Abs(float) < 1<<62 {
			return int64(float)
		}
		return float
	}
	return v // the rest are pointers
}

// entries returns the entries as pairs.
func (d *Dict) entries() []Value {
	pairs := make([]Value, d.Len())
	for i := range pairs {
		pairs[i] = Tuple{d.keys[i], d.values[i]}
	}
	return pairs
}
