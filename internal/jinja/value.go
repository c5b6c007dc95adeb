package jinja

import (
	"fmt"
	"unicode/utf8"

	"npinf/internal/pyrepr"
)

// Value is a Python value: nil (None), bool, int64, float64, string, List, Tuple, *Dict, or
// one of the kinds that only a template makes. Nobody changes a List, Tuple or *Dict once a
// template can see it, as in the immutable sandbox.
type Value = any

// List is a Python list.
type List []Value

// Tuple is a Python tuple.
type Tuple []Value

// undefined is what a missing name or attribute gives, and one that the sandbox denies. It
// renders as nothing; most other uses fail with its message.
type undefined struct{ message string }

// function is something that can be called.
type function struct {
	name string
	repr string
	call func(m *machine, a arguments) Value
}

// generator is a sequence that can be walked once and has no length.
type generator struct{ rest []Value }

// view is what a dictionary's keys(), values() and items() give.
type view struct {
	kind  string // "dict_keys", …
	items []Value
}

// rangeValue is Python's range object.
type rangeValue struct{ start, step, count int64 }

// namespace is the one kind of value whose attributes a template may set.
type namespace struct{ attributes *Dict }

func undefinedName(name string) *undefined {
	return &undefined{fmt.Sprintf("%s is undefined", pyrepr.Quote(name))}
}

// missingAttribute is what object.name gives when there is no such thing.
func missingAttribute(object Value, name string) *undefined {
	return &undefined{fmt.Sprintf("%s has no attribute %s", pyrepr.Quote(describe(object)), pyrepr.Quote(name))}
}

// typeName returns the name of a value's Python type.
func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *undefined:
		return "Undefined"
	case *function:
		return "builtin_function_or_method"
	case *macro:
		return "Macro"
	case *generator:
		return "generator"
	case *view:
		return v.kind
	case *rangeValue:
		return "range"
	case *namespace:
		return "Namespace"
	case *loop:
		return "LoopContext"
	}
	return fmt.Sprintf("%T", v)
}

// describe names a value in the message about an attribute it lacks.
func describe(v Value) string {
	switch v.(type) {
	case nil:
		return "None"
	case *macro:
		return "jinja2.runtime.Macro object"
	case *loop:
		return "jinja2.runtime.LoopContext object"
	case *namespace:
		return "jinja2.utils.Namespace object"
	}
	return typeName(v) + " object"
}

// use fails if a value is undefined.
func use(v Value) {
	if missing, ok := v.(*undefined); ok {
		fail("%s", missing.message)
	}
}

// Truth is Python's bool(v).
func Truth(v Value) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case List:
		return len(v) > 0
	case Tuple:
		return len(v) > 0
	case *Dict:
		return v.Len() > 0
	case *view:
		return len(v.items) > 0
	case *rangeValue:
		return v.count > 0
	case *loop:
		return len(v.items) > 0
	}
	return true
}

// number returns a value as an integer or a float; booleans count as 0 and 1.
func number(v Value) (integer int64, float float64, isInteger, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, 1, true, true
		}
		return 0, 0, true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

// elements returns the items of a value that has them without walking: false for generators
// and what cannot be iterated.
func (m *machine) elements(v Value) ([]Value, bool) {
	switch v := v.(type) {
	case List:
		return v, true
	case Tuple:
		return v, true
	case *Dict:
		return v.keys, true
	case *view:
		return v.items, true
	case *undefined:
		return nil, true
	case *loop:
		return v.items, true
	case string:
		m.spendItems(len(v))
		items := make([]Value, 0, len(v))
		for rest := v; rest != ""; {
			_, width := utf8.DecodeRuneInString(rest)
			items = append(items, rest[:width])
			rest = rest[width:]
		}
		return items, true
	case *rangeValue:
		m.spendItems(int(v.count))
		items := make([]Value, v.count)
		for i := range items {
			items[i] = v.at(int64(i))
		}
		return items, true
	}
	return nil, false
}

func (r *rangeValue) at(i int64) int64 { return r.start + i*r.step }

// iterate returns the items that a loop over v meets. A generator is empty afterwards.
func (m *machine) iterate(v Value) []Value {
	if g, ok := v.(*generator); ok {
		rest := g.rest
		g.rest = nil
		return rest
	}
	items, ok := m.elements(v)
	if !ok {
		use(v)
		fail("%s object is not iterable", pyrepr.Quote(typeName(v)))
	}
	m.spendItems(len(items))
	return items
}

// length is Python's len(v).
func (m *machine) length(v Value) int64 {
	switch v := v.(type) {
	case string:
		m.spendText(len(v))
		return int64(len([]rune(v)))
	case *rangeValue:
		return v.count
	}
	items, ok := m.elements(v)
	if !ok {
		use(v)
		fail("object of type %s has no len()", pyrepr.Quote(typeName(v)))
	}
	return int64(len(items))
}
