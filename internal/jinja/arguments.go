package jinja

import (
	"slices"

	"npinf/internal/pyrepr"
)

// arguments are the values of a call.
type arguments struct {
	positional []Value
	keywords   []keyword
}

type keyword struct {
	name  string
	value Value
}

// absent stands for an argument that was not given.
type absent struct{}

// arguments evaluates what stands between the parentheses of a call.
func (m *machine) arguments(list argumentList, s *scope) arguments {
	var a arguments
	for _, e := range list.positional {
		a.positional = append(a.positional, m.eval(e, s))
	}
	for _, k := range list.keywords {
		a.keywords = append(a.keywords, keyword{k.name, m.eval(k.value, s)})
	}
	if list.spread != nil {
		a.positional = append(a.positional, m.iterate(m.eval(list.spread, s))...)
	}
	if list.spreadDict != nil {
		m.spreadDict(&a, m.eval(list.spreadDict, s))
	}
	return a
}

func (m *machine) spreadDict(a *arguments, v Value) {
	d, ok := v.(*Dict)
	if !ok {
		use(v)
		fail("argument after ** must be a mapping, not %s", typeName(v))
	}
	for i, key := range d.keys {
		name, ok := key.(string)
		if !ok {
			fail("keywords must be strings")
		}
		if _, twice := a.keyword(name); twice {
			fail("got multiple values for keyword argument %s", pyrepr.Quote(name))
		}
		a.keywords = append(a.keywords, keyword{name, d.values[i]})
	}
}

func (a arguments) keyword(name string) (Value, bool) {
	for _, k := range a.keywords {
		if k.name == name {
			return k.value, true
		}
	}
	return nil, false
}

// bind sorts the arguments into the parameters of a function; what is not given is absent.
// The first required of them must be given.
func (a arguments) bind(function string, required int, parameters ...string) []Value {
	bound := make([]Value, len(parameters))
	if len(a.positional) > len(parameters) {
		fail("%s() takes at most %d arguments (%d given)", function, len(parameters), len(a.positional))
	}
	for i := range bound {
		bound[i] = absent{}
	}
	copy(bound, a.positional)
	for _, k := range a.keywords {
		i := slices.Index(parameters, k.name)
		if i < 0 {
			fail("%s() got an unexpected keyword argument %s", function, pyrepr.Quote(k.name))
		}
		if !isAbsent(bound[i]) {
			fail("%s() got multiple values for argument %s", function, pyrepr.Quote(k.name))
		}
		bound[i] = k.value
	}
	for i := range required {
		if isAbsent(bound[i]) {
			fail("%s() missing required argument: %s", function, pyrepr.Quote(parameters[i]))
		}
	}
	return bound
}

// positionalOnly is bind for Python's built-in methods, which take no keywords.
func (a arguments) positionalOnly(function string, required int, parameters ...string) []Value {
	if len(a.keywords) > 0 {
		fail("%s() takes no keyword arguments", function)
	}
	return a.bind(function, required, parameters...)
}

func isAbsent(v Value) bool {
	_, ok := v.(absent)
	return ok
}

// or returns v, or another value where v is absent.
func or(v, otherwise Value) Value {
	if isAbsent(v) {
		return otherwise
	}
	return v
}

// integer returns an argument that must be an integer.
func integer(v Value, what string) int64 {
	i, _, isInteger, ok := number(v)
	if !ok || !isInteger {
		use(v)
		fail("%s must be an integer, not %s", what, pyrepr.Quote(typeName(v)))
	}
	return i
}

// textArgument returns an argument that must be a string.
func textArgument(v Value, what string) string {
	s, ok := v.(string)
	if !ok {
		use(v)
		fail("%s must be str, not %s", what, typeName(v))
	}
	return s
}
