package jinja

import (
	"slices"
	"strings"

	"npinf/internal/pyrepr"
)

// attribute is object.name: a method or attribute, else the entry of that name.
func (m *machine) attribute(object Value, name string) Value {
	use(object)
	if v, ok := m.member(object, name); ok {
		return v
	}
	if d, ok := object.(*Dict); ok {
		if v, ok := d.Get(name); ok {
			return v
		}
	}
	return missingAttribute(object, name)
}

// item is object[key]: the entry, else the attribute of that name.
func (m *machine) item(object, key Value) Value {
	use(object)
	if v, ok := m.entry(object, key); ok {
		return v
	}
	if name, ok := key.(string); ok {
		if v, ok := m.member(object, name); ok {
			return v
		}
		return missingAttribute(object, name)
	}
	return &undefined{describe(object) + " has no element " + m.repr(key)}
}

// entry looks a key up in a container; ok is false if it is not there.
func (m *machine) entry(object, key Value) (v Value, ok bool) {
	if d, ok := object.(*Dict); ok {
		if !hashable(key) {
			return nil, false
		}
		return m.get(d, key)
	}
	i, _, isInteger, isNumber := number(key)
	if !isNumber || !isInteger {
		return nil, false
	}
	var items []Value
	switch object := object.(type) {
	case string:
		return m.character(object, i)
	case List:
		items = object
	case Tuple:
		items = object
	case *rangeValue:
		if i < 0 {
			i += object.count
		}
		if i < 0 || i >= object.count {
			return nil, false
		}
		return object.at(i), true
	}
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return nil, false
	}
	return items[i], true
}

func hashable(v Value) bool {
	switch v := v.(type) {
	case List, *Dict, *view:
		return false
	case Tuple:
		return !slices.ContainsFunc(v, func(item Value) bool { return !hashable(item) })
	}
	return true
}

// character returns the character of a text at an index, from the end if it is negative.
func (m *machine) character(s string, i int64) (Value, bool) {
	m.spendText(len(s))
	runes := []rune(s)
	if i < 0 {
		i += int64(len(runes))
	}
	if i < 0 || i >= int64(len(runes)) {
		return nil, false
	}
	return string(runes[i]), true
}

// mutators are the methods that the immutable sandbox denies.
var mutators = map[string][]string{
	"list": {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"},
	"dict": {"clear", "pop", "popitem", "setdefault", "update"},
}

// member returns a method or attribute of a value; ok is false if it has none of that name.
func (m *machine) member(object Value, name string) (v Value, ok bool) {
	kind := typeName(object)
	if strings.HasPrefix(name, "__") || slices.Contains(mutators[kind], name) {
		return &undefined{"access to attribute " + pyrepr.Quote(name) + " of " + pyrepr.Quote(kind) + " object is unsafe."}, true
	}
	switch o := object.(type) {
	case *loop:
		return o.attribute(m, name)
	case *namespace:
		return o.attributes.Get(name)
	case *macro:
		return o.attribute(name)
	case *rangeValue:
		ends := map[string]int64{"start": o.start, "stop": o.start + o.step*o.count, "step": o.step}
		end, ok := ends[name]
		return end, ok
	}
	method, ok := m.methods[kind][name]
	if !ok {
		return nil, false
	}
	repr := "<built-in method " + name + " of " + kind + " object>"
	return &function{name: name, repr: repr, call: func(m *machine, a arguments) Value { return method(m, object, a) }}, true
}

func (c *macro) attribute(name string) (v Value, ok bool) {
	switch name {
	case "name":
		return c.definition.name, true
	case "arguments":
		return c.definition.names(), true
	case "catch_kwargs":
		return c.definition.usesKwargs, true
	case "catch_varargs":
		return c.definition.usesVarargs, true
	case "caller":
		return c.definition.usesCaller, true
	}
	return nil, false
}

// slice is object[start:stop:step]; nil stands for an absent part.
func (m *machine) slice(object, start, stop, step Value) Value {
	use(object)
	switch o := object.(type) {
	case string:
		m.spendText(len(o))
		runes := []rune(o)
		picked := m.picked(len(runes), start, stop, step)
		cut := make([]rune, len(picked))
		for i, from := range picked {
			cut[i] = runes[from]
		}
		return string(cut)
	case List:
		return List(pick(o, m.picked(len(o), start, stop, step)))
	case Tuple:
		return Tuple(pick(o, m.picked(len(o), start, stop, step)))
	case *rangeValue:
		items := m.iterate(o)
		return List(pick(items, m.picked(len(items), start, stop, step)))
	}
	if isMapping(object) {
		fail("unhashable type: 'slice'")
	}
	fail("%s object is not subscriptable", pyrepr.Quote(typeName(object)))
	return nil
}

func pick(items []Value, indices []int) []Value {
	picked := make([]Value, len(indices))
	for i, from := range indices {
		picked[i] = items[from]
	}
	return picked
}

// picked returns the indices that a slice selects from a sequence of n items.
func (m *machine) picked(n int, start, stop, step Value) []int {
	by := int64(1)
	if step != nil {
		if by = sliceIndex(step); by == 0 {
			fail("slice step cannot be zero")
		}
	}
	first, last, low, high := int64(0), int64(n), int64(0), int64(n)
	if by < 0 {
		first, last, low, high = int64(n)-1, -1, -1, int64(n)-1
	}
	bound := func(v Value, absent int64) int64 {
		if v == nil {
			return absent
		}
		i := sliceIndex(v)
		if i < 0 {
			i += int64(n)
		}
		return min(max(i, low), high)
	}
	first, last = bound(start, first), bound(stop, last)
	by = min(max(by, -int64(n)-1), int64(n)+1) // larger steps pick the same, and overflow
	var indices []int
	for i := first; by > 0 && i < last || by < 0 && i > last; i += by {
		indices = append(indices, int(i))
	}
	m.spendItems(len(indices))
	return indices
}

func sliceIndex(v Value) int64 {
	i, _, isInteger, ok := number(v)
	if !ok || !isInteger {
		use(v)
		fail("slice indices must be integers or None or have an __index__ method")
	}
	return i
}
