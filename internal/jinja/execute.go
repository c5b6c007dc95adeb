package jinja

import "npinf/internal/pyrepr"

// scope holds the names a body sets; names not found in it are looked up outside.
type scope struct {
	parent *scope
	names  []string
	values []Value
	index  map[string]int // of a scope with many names, else nil
}

// indexFrom is how many names make a scope large enough for an index.
const indexFrom = 12

func (s *scope) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	return -1
}

func (s *scope) set(name string, value Value) {
	if i := s.find(name); i >= 0 {
		s.values[i] = value
		return
	}
	s.names = append(s.names, name)
	s.values = append(s.values, value)
	if s.index != nil {
		s.index[name] = len(s.names) - 1
	} else if len(s.names) == indexFrom {
		s.index = map[string]int{}
		for i, n := range s.names {
			s.index[n] = i
		}
	}
}

func (s *scope) lookup(name string) (Value, bool) {
	for ; s != nil; s = s.parent {
		if i := s.find(name); i >= 0 {
			return s.values[i], true
		}
	}
	return nil, false
}

// run executes a body.
func (m *machine) run(body []statement, s *scope) signal {
	m.enter()
	defer m.leave()
	for _, one := range body {
		m.spend(1)
		if sent := one.execute(m, s); sent != proceed {
			return sent
		}
	}
	return proceed
}

func (n *text) execute(m *machine, _ *scope) signal {
	m.write(n.text)
	return proceed
}

func (n *output) execute(m *machine, s *scope) signal {
	m.write(m.str(m.eval(n.value, s)))
	return proceed
}

func (n *choice) execute(m *machine, s *scope) signal {
	for i, condition := range n.conditions {
		if Truth(m.eval(condition, s)) {
			return m.run(n.branches[i], s)
		}
	}
	return m.run(n.otherwise, s)
}

func (n *jump) execute(*machine, *scope) signal { return n.signal }

func (n *assignment) execute(m *machine, s *scope) signal {
	m.assign(n.target, m.eval(n.value, s), s)
	return proceed
}

func (n *blockAssignment) execute(m *machine, s *scope) signal {
	m.assign(n.target, m.filtered(n.body, n.filters, s), s)
	return proceed
}

func (n *filterBlock) execute(m *machine, s *scope) signal {
	m.write(m.str(m.filtered(n.body, n.filters, s)))
	return proceed
}

// filtered runs a body in a scope of its own and puts what it writes through filters.
func (m *machine) filtered(body []statement, filters []*filter, s *scope) Value {
	var v Value = m.capture(func() { m.run(body, &scope{parent: s}) })
	for _, f := range filters {
		v = m.filter(f.name, v, m.arguments(f.arguments, s))
	}
	return v
}

func (n *group) execute(m *machine, s *scope) signal { return m.run(n.body, &scope{parent: s}) }

func (n *with) execute(m *machine, s *scope) signal {
	inner := &scope{parent: s}
	values := make([]Value, len(n.values))
	for i, e := range n.values {
		values[i] = m.eval(e, s)
	}
	for i, t := range n.targets {
		m.assign(t, values[i], inner)
	}
	return m.run(n.body, inner)
}

// assign writes a value to a target.
func (m *machine) assign(t target, v Value, s *scope) {
	switch {
	case t.parts != nil:
		m.unpack(t.parts, v, s)
	case t.attribute != "":
		object, _ := s.lookup(t.name)
		space, ok := object.(*namespace)
		if !ok {
			fail("cannot assign attribute on non-namespace object")
		}
		space.attributes.Set(t.attribute, v)
	default:
		s.set(t.name, v)
	}
}

func (m *machine) unpack(parts []target, v Value, s *scope) {
	items := m.iterate(v)
	if len(items) < len(parts) {
		fail("not enough values to unpack (expected %d, got %d)", len(parts), len(items))
	}
	if len(items) > len(parts) {
		fail("too many values to unpack (expected %d)", len(parts))
	}
	for i, part := range parts {
		m.assign(part, items[i], s)
	}
}

func (n *macroStatement) execute(_ *machine, s *scope) signal {
	s.set(n.definition.name, &macro{n.definition, s})
	return proceed
}

func (n *callBlock) execute(m *machine, s *scope) signal {
	callee := m.eval(n.call.function, s)
	a := m.arguments(n.call.arguments, s)
	a.keywords = append(a.keywords, keyword{"caller", &macro{n.caller, s}})
	m.write(m.str(m.call(callee, a)))
	return proceed
}

// macro is a macro together with the scope it was defined in.
type macro struct {
	definition *macroDefinition
	outside    *scope
}

// expand calls a macro and returns what it writes.
func (m *machine) expand(callee *macro, a arguments) Value {
	m.enter()
	defer m.leave()
	inner := &scope{parent: callee.outside}
	m.bindMacro(callee.definition, a, inner)
	return m.capture(func() { m.run(callee.definition.body, inner) })
}

// bindMacro sets the parameters of a macro, and the special names its body mentions.
func (m *machine) bindMacro(d *macroDefinition, a arguments, inner *scope) {
	given := min(len(a.positional), len(d.parameters))
	rest := map[string]bool{} // keywords that no parameter has taken yet
	for _, k := range a.keywords {
		rest[k.name] = true
	}
	for i, p := range d.parameters { // in order: a fallback may mention earlier parameters
		v, named := a.keyword(p.name)
		switch {
		case i < given:
			v = a.positional[i]
		case named:
			delete(rest, p.name)
		case p.fallback != nil:
			v = m.eval(p.fallback, inner)
		default:
			v = &undefined{"parameter " + pyrepr.Quote(p.name) + " was not provided"}
		}
		inner.set(p.name, v)
	}
	m.bindSpecial(d, a, given, rest, inner)
}

// bindSpecial sets varargs, kwargs and caller. rest holds the names of the keywords that no
// parameter took.
func (m *machine) bindSpecial(d *macroDefinition, a arguments, given int, rest map[string]bool, inner *scope) {
	if d.usesCaller {
		caller, ok := a.keyword("caller")
		if !ok {
			caller = &undefined{"No caller defined"}
		}
		delete(rest, "caller")
		inner.set("caller", caller)
	}
	kwargs := NewDict()
	for _, k := range a.keywords {
		if !rest[k.name] {
			continue
		}
		if !d.usesKwargs {
			fail("macro %s takes no keyword argument %s", pyrepr.Quote(d.name), pyrepr.Quote(k.name))
		}
		kwargs.Set(k.name, k.value)
	}
	if d.usesKwargs {
		inner.set("kwargs", kwargs)
	}
	if d.usesVarargs {
		inner.set("varargs", Tuple(a.positional[given:]))
	} else if len(a.positional) > given {
		fail("macro %s takes not more than %d argument(s)", pyrepr.Quote(d.name), len(d.parameters))
	}
}

// names returns the names of a macro's parameters.
func (d *macroDefinition) names() Tuple {
	names := Tuple{}
	for _, p := range d.parameters {
		names = append(names, p.name)
	}
	return names
}
