package jinja

import "math"

// maxRange is the longest range the sandbox allows.
const maxRange = 100_000

// globals are the names every template knows.
var globals = map[string]Value{
	"range":           &function{name: "range", repr: "<class 'range'>", call: rangeFunction},
	"dict":            &function{name: "dict", repr: "<class 'dict'>", call: dictFunction},
	"namespace":       &function{name: "namespace", repr: "<class 'jinja2.utils.Namespace'>", call: namespaceFunction},
	"joiner":          &function{name: "joiner", repr: "<class 'jinja2.utils.Joiner'>", call: joiner},
	"raise_exception": &function{name: "raise_exception", call: raiseException},
	"strftime_now":    &function{name: "strftime_now", call: strftimeNow},
}

func rangeFunction(_ *machine, a arguments) Value {
	p := a.positionalOnly("range", 1, "start", "stop", "step")
	start, stop, step := int64(0), integer(p[0], "range() argument"), int64(1)
	if !isAbsent(p[1]) {
		start, stop = stop, integer(p[1], "range() argument")
	}
	if !isAbsent(p[2]) {
		step = integer(p[2], "range() argument")
	}
	if step == 0 {
		fail("range() arg 3 must not be zero")
	}
	distance, stride := float64(stop)-float64(start), float64(step)
	count := math.Max(0, math.Ceil(distance/stride))
	if count > maxRange {
		fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return &rangeValue{start, step, int64(count)}
}

func dictFunction(m *machine, a arguments) Value {
	if len(a.positional) > 1 {
		fail("dict expected at most 1 argument, got %d", len(a.positional))
	}
	d := NewDict()
	for _, source := range a.positional {
		m.update(d, source)
	}
	for _, k := range a.keywords {
		d.Set(k.name, k.value)
	}
	return d
}

// update adds the entries of a dictionary, or of a sequence of pairs.
func (m *machine) update(d *Dict, source Value) {
	if from, ok := source.(*Dict); ok {
		m.spendItems(from.Len())
		for i, key := range from.keys {
			m.set(d, key, from.values[i])
		}
		return
	}
	for i, item := range m.iterate(source) {
		pair := m.iterate(item)
		if len(pair) != 2 {
			fail("dictionary update sequence element #%d has length %d; 2 is required", i, len(pair))
		}
		m.set(d, pair[0], pair[1])
	}
}

func namespaceFunction(m *machine, a arguments) Value {
	return &namespace{dictFunction(m, a).(*Dict)}
}

// joiner returns a function that gives nothing the first time and a separator afterwards.
func joiner(m *machine, a arguments) Value {
	separator := m.str(or(a.bind("joiner", 0, "sep")[0], ", "))
	used := false
	return &function{name: "joiner", call: func(*machine, arguments) Value {
		if used {
			return separator
		}
		used = true
		return ""
	}}
}

func raiseException(m *machine, a arguments) Value {
	message := a.bind("raise_exception", 1, "message")[0]
	panic(thrown{&RaisedError{m.str(message)}})
}

func strftimeNow(m *machine, a arguments) Value {
	format := textArgument(a.bind("strftime_now", 1, "format")[0], "strftime() argument 1")
	return m.made(strftime(m.clock(), format))
}
