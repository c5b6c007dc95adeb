package jinja

import (
	"math"
	"strings"

	"npinf/internal/pyrepr"
)

// compare evaluates one link of a comparison chain.
func (m *machine) compare(operator string, left, right Value) bool {
	switch operator {
	case "==":
		return m.equal(left, right)
	case "!=":
		return !m.equal(left, right)
	case "in":
		return m.contains(right, left)
	case "not in":
		return !m.contains(right, left)
	}
	return m.ordered(operator, left, right)
}

// equal is Python's left == right.
func (m *machine) equal(left, right Value) bool {
	m.enter()
	defer m.leave()
	switch l := left.(type) {
	case nil:
		return right == nil
	case string:
		r, ok := right.(string)
		return ok && m.equalText(l, r)
	case List:
		r, ok := right.(List)
		return ok && m.equalItems(l, r)
	case Tuple:
		r, ok := right.(Tuple)
		return ok && m.equalItems(l, r)
	case *Dict:
		r, ok := right.(*Dict)
		return ok && m.equalDicts(l, r)
	case *undefined:
		_, ok := right.(*undefined)
		return ok
	case *rangeValue:
		r, ok := right.(*rangeValue)
		return ok && m.equalItems(m.iterate(l), m.iterate(r))
	}
	if a, x, leftInteger, ok := number(left); ok {
		b, y, rightInteger, ok := number(right)
		if leftInteger && rightInteger {
			return ok && a == b
		}
		return ok && x == y
	}
	use(left)
	if _, _, _, ok := number(right); ok {
		return false
	}
	switch right.(type) { // kinds Go cannot compare
	case List, Tuple:
		return false
	}
	return left == right
}

func (m *machine) equalText(left, right string) bool {
	if len(left) != len(right) {
		return false
	}
	m.spendText(len(left))
	return left == right
}

func (m *machine) equalItems(left, right []Value) bool {
	if len(left) != len(right) {
		return false
	}
	for i, item := range left {
		if !m.equal(item, right[i]) {
			return false
		}
	}
	return true
}

func (m *machine) equalDicts(left, right *Dict) bool {
	if left.Len() != right.Len() {
		return false
	}
	for i, key := range left.keys {
		other, ok := m.get(right, key)
		if !ok || !m.equal(left.values[i], other) {
			return false
		}
	}
	return true
}

// ordered is left < right and its kin.
func (m *machine) ordered(operator string, left, right Value) bool {
	order, comparable := m.order(left, right)
	if !comparable {
		use(left)
		use(right)
		fail("%s not supported between instances of %s and %s", pyrepr.Quote(operator), pyrepr.Quote(typeName(left)), pyrepr.Quote(typeName(right)))
	}
	if order == unorderedNumbers {
		return false
	}
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// unorderedNumbers is the order of two numbers of which one is NaN.
const unorderedNumbers = 2

// order returns -1, 0 or 1; ok is false for values that have no order.
func (m *machine) order(left, right Value) (order int, ok bool) {
	m.enter()
	defer m.leave()
	switch l := left.(type) {
	case string:
		r, ok := right.(string)
		m.spendText(min(len(l), len(r)))
		return strings.Compare(l, r), ok // the order of UTF-8 is that of code points
	case List:
		r, ok := right.(List)
		if !ok {
			return 0, false
		}
		return m.orderItems(l, r)
	case Tuple:
		r, ok := right.(Tuple)
		if !ok {
			return 0, false
		}
		return m.orderItems(l, r)
	}
	a, x, leftInteger, isNumber := number(left)
	b, y, rightInteger, areNumbers := number(right)
	switch {
	case !isNumber || !areNumbers:
		return 0, false
	case leftInteger && rightInteger:
		return compareTo(a < b, a > b), true
	case math.IsNaN(x) || math.IsNaN(y):
		return unorderedNumbers, true
	}
	return compareTo(x < y, x > y), true
}

func compareTo(less, greater bool) int {
	switch {
	case less:
		return -1
	case greater:
		return 1
	}
	return 0
}

// orderItems compares the first items that differ.
func (m *machine) orderItems(left, right []Value) (order int, ok bool) {
	for i := range min(len(left), len(right)) {
		if !m.equal(left[i], right[i]) {
			order, ok = m.order(left[i], right[i])
			if !ok {
				use(left[i])
				use(right[i])
				fail("'<' not supported between instances of %s and %s", pyrepr.Quote(typeName(left[i])), pyrepr.Quote(typeName(right[i])))
			}
			return order, true
		}
	}
	return compareTo(len(left) < len(right), len(left) > len(right)), true
}

// contains is Python's item in container.
func (m *machine) contains(container, item Value) bool {
	switch c := container.(type) {
	case string:
		part, ok := item.(string)
		if !ok {
			use(item)
			fail("'in <string>' requires string as left operand, not %s", typeName(item))
		}
		m.spendText(len(c))
		return strings.Contains(c, part)
	case *Dict:
		_, ok := m.get(c, item)
		return ok
	case List, Tuple, *view, *rangeValue, *generator, *undefined, *loop:
		for _, one := range m.iterate(c) {
			if m.equal(one, item) {
				return true
			}
		}
		return false
	}
	use(container)
	fail("argument of type %s is not iterable", pyrepr.Quote(typeName(container)))
	return false
}
