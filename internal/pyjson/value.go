// Package pyjson reads and writes JSON as Python's json module does, because clients see its
// habits: its error messages and offsets, its extensions (NaN, Infinity, duplicate keys), its
// spelling of numbers. Numbers stay literals until somebody asks for a number, so that 5, 5.0
// and "5" remain three different things.
package pyjson

import "strconv"

// Kind is what a Value is.
type Kind uint8

// The kinds. Integer and Float differ by their spelling: 5 is one, 5.0 and 5e0 are the other.
const (
	Null Kind = iota
	Boolean
	Integer
	Float
	String
	Array
	Object
)

// Value is one JSON value. The zero Value is null.
type Value struct {
	kind Kind
	// text is the content of a string, else the literal of a scalar.
	text  string
	inner *container
}

// container holds the elements of an array or the members of an object.
type container struct {
	items []Value
	keys  []string       // of an object: one for each item
	index map[string]int // of a large object: where each key is
}

// indexFrom is how many members make an object large enough for an index.
const indexFrom = 16

// Text returns s as a string value.
func Text(s string) Value { return Value{kind: String, text: s} }

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// Text returns the content of a string, or the literal of another scalar.
func (v Value) Text() string { return v.text }

// Truth returns the value of a boolean.
func (v Value) Truth() bool { return v.kind == Boolean && v.text == "true" }

// Number returns the value of a number as a float64, infinite where it is too large for one.
func (v Value) Number() float64 {
	number, _ := strconv.ParseFloat(v.text, 64) // the one possible error is the range, whose value is right
	return number
}

// Items returns the elements of an array, or the values of an object in the order of Keys.
func (v Value) Items() []Value {
	if v.inner == nil {
		return nil
	}
	return v.inner.items
}

// Keys returns the keys of an object, each where it first stood.
func (v Value) Keys() []string {
	if v.inner == nil {
		return nil
	}
	return v.inner.keys
}

// Lookup returns the member of an object that has exactly this key.
func (v Value) Lookup(key string) (Value, bool) {
	if v.inner == nil {
		return Value{}, false
	}
	if i := v.inner.find(key); i >= 0 {
		return v.inner.items[i], true
	}
	return Value{}, false
}

// set adds a member, or gives an existing key its later value.
func (c *container) set(key string, value Value) {
	if i := c.find(key); i >= 0 {
		c.items[i] = value
		return
	}
	c.keys, c.items = append(c.keys, key), append(c.items, value)
	switch {
	case c.index != nil:
		c.index[key] = len(c.keys) - 1
	case len(c.keys) >= indexFrom:
		c.index = make(map[string]int, 2*indexFrom)
		for i, k := range c.keys {
			c.index[k] = i
		}
	}
}

func (c *container) find(key string) int {
	if c.index != nil {
		if i, ok := c.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range c.keys {
		if k == key {
			return i
		}
	}
	return -1
}
