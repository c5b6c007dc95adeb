package jinja

import "strings"

// testFunction decides "subject is name(arguments)".
type testFunction func(m *machine, subject Value, a arguments) bool

// tests is the table of tests, by name.
var tests = testTable()

// kind is a test of the subject alone.
func kind(is func(v Value) bool) testFunction {
	return func(_ *machine, subject Value, a arguments) bool {
		a.bind("test", 0)
		return is(subject)
	}
}

// relation is a test that compares the subject with an argument.
func relation(operator string) testFunction {
	return func(m *machine, subject Value, a arguments) bool {
		return m.compare(operator, subject, a.bind("test", 1, "other")[0])
	}
}

func isUndefined(v Value) bool {
	_, ok := v.(*undefined)
	return ok
}

func isText(v Value) bool {
	_, ok := v.(string)
	return ok
}

func isMapping(v Value) bool {
	_, ok := v.(*Dict)
	return ok
}

func isNumber(v Value) bool {
	_, _, _, ok := number(v)
	return ok
}

func isInteger(v Value) bool {
	_, ok := v.(int64)
	return ok
}

func isFloat(v Value) bool {
	_, ok := v.(float64)
	return ok
}

func isBoolean(v Value) bool {
	_, ok := v.(bool)
	return ok
}

func isIterable(v Value) bool {
	switch v.(type) {
	case string, List, Tuple, *Dict, *view, *rangeValue, *generator, *undefined, *loop:
		return true
	}
	return false
}

// isSequence is true for what has a length and items.
func isSequence(v Value) bool {
	switch v.(type) {
	case string, List, Tuple, *Dict, *rangeValue, *undefined:
		return true
	}
	return false
}

func isCallable(v Value) bool {
	switch v.(type) {
	case *function, *macro, *undefined: // Undefined has a __call__, which fails
		return true
	}
	return false
}

// divides reports whether the subject leaves no rest when divided by n.
func divides(m *machine, subject Value, n Value) bool {
	return m.equal(m.arithmetic("%", subject, n), int64(0))
}

// isCase tests a text's str.islower or str.isupper.
func isCase(name string) testFunction {
	return func(m *machine, subject Value, _ arguments) bool {
		return textMethods[name](m, m.str(subject), arguments{}).(bool)
	}
}

func isSame(m *machine, subject Value, a arguments) bool {
	other := a.bind("sameas", 1, "other")[0]
	return typeName(subject) == typeName(other) && m.equal(subject, other)
}

func testTable() map[string]testFunction {
	table := map[string]testFunction{
		"defined":   kind(func(v Value) bool { return !isUndefined(v) }),
		"undefined": kind(isUndefined),
		"none":      kind(func(v Value) bool { return v == nil }),
		"string":    kind(isText), "mapping": kind(isMapping), "number": kind(isNumber), "integer": kind(isInteger),
		"float": kind(isFloat), "boolean": kind(isBoolean), "iterable": kind(isIterable), "sequence": kind(isSequence),
		"callable": kind(isCallable),
		"true":     kind(func(v Value) bool { is, ok := v.(bool); return ok && is }),
		"false":    kind(func(v Value) bool { is, ok := v.(bool); return ok && !is }),
		"escaped":  kind(func(Value) bool { return false }),
		"odd":      func(m *machine, v Value, _ arguments) bool { return !divides(m, v, int64(2)) },
		"even":     func(m *machine, v Value, _ arguments) bool { return divides(m, v, int64(2)) },
		"divisibleby": func(m *machine, v Value, a arguments) bool {
			return divides(m, v, a.bind("divisibleby", 1, "num")[0])
		},
		"lower": isCase("islower"), "upper": isCase("isupper"),
		"sameas": isSame,
		"in":     func(m *machine, v Value, a arguments) bool { return m.contains(a.bind("in", 1, "seq")[0], v) },
		"filter": func(m *machine, v Value, _ arguments) bool { _, ok := m.filters[m.str(v)]; return ok },
		"test":   func(m *machine, v Value, _ arguments) bool { _, ok := m.tests[m.str(v)]; return ok },
	}
	for operator, names := range map[string]string{"==": "eq equalto", "!=": "ne", "<": "lt lessthan", "<=": "le", ">": "gt greaterthan", ">=": "ge"} {
		for _, name := range append(strings.Fields(names), operator) {
			table[name] = relation(operator)
		}
	}
	return table
}
