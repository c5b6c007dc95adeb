package jinja

import "npinf/internal/pyrepr"

// eval evaluates an expression within the budget.
func (m *machine) eval(e expression, s *scope) Value {
	m.enter()
	v := e.evaluate(m, s)
	m.leave()
	return v
}

func (e *literal) evaluate(*machine, *scope) Value { return e.value }

func (e *name) evaluate(_ *machine, s *scope) Value {
	if v, ok := s.lookup(e.name); ok {
		return v
	}
	if v, ok := globals[e.name]; ok {
		return v
	}
	return undefinedName(e.name)
}

func (e *sequence) evaluate(m *machine, s *scope) Value {
	items := make([]Value, len(e.items))
	for i, item := range e.items {
		items[i] = m.eval(item, s)
	}
	if e.tuple {
		return Tuple(items)
	}
	return List(items)
}

func (e *dictionary) evaluate(m *machine, s *scope) Value {
	d := NewDict()
	for i, key := range e.keys {
		k := m.eval(key, s)
		m.set(d, k, m.eval(e.values[i], s))
	}
	return d
}

func (e *attribute) evaluate(m *machine, s *scope) Value {
	return m.attribute(m.eval(e.object, s), e.name)
}

func (e *subscript) evaluate(m *machine, s *scope) Value {
	object := m.eval(e.object, s)
	return m.item(object, m.eval(e.index, s))
}

func (e *slice) evaluate(m *machine, s *scope) Value {
	object := m.eval(e.object, s)
	part := func(e expression) Value {
		if e == nil {
			return nil
		}
		return m.eval(e, s)
	}
	start, stop := part(e.start), part(e.stop)
	return m.slice(object, start, stop, part(e.step))
}

func (e *call) evaluate(m *machine, s *scope) Value {
	callee := m.eval(e.function, s)
	return m.call(callee, m.arguments(e.arguments, s))
}

// call calls a value.
func (m *machine) call(callee Value, a arguments) Value {
	switch f := callee.(type) {
	case *function:
		return f.call(m, a)
	case *macro:
		return m.expand(f, a)
	}
	use(callee)
	fail("%s object is not callable", pyrepr.Quote(typeName(callee)))
	return nil
}

func (e *filter) evaluate(m *machine, s *scope) Value {
	return m.filter(e.name, m.eval(e.subject, s), m.arguments(e.arguments, s))
}

// filter applies a filter by name.
func (m *machine) filter(name string, subject Value, a arguments) Value {
	f, ok := m.filters[name]
	if !ok {
		fail("No filter named %s.", pyrepr.Quote(name))
	}
	return f(m, subject, a)
}

func (e *test) evaluate(m *machine, s *scope) Value {
	subject := m.eval(e.subject, s)
	return m.test(e.name, subject, m.arguments(e.arguments, s)) != e.negated
}

// test applies a test by name.
func (m *machine) test(name string, subject Value, a arguments) bool {
	t, ok := m.tests[name]
	if !ok {
		fail("No test named %s.", pyrepr.Quote(name))
	}
	return t(m, subject, a)
}

func (e *unary) evaluate(m *machine, s *scope) Value {
	v := m.eval(e.operand, s)
	if e.operator == "not" {
		return !Truth(v)
	}
	return negate(v, e.operator)
}

func (e *binary) evaluate(m *machine, s *scope) Value {
	left := m.eval(e.left, s)
	return m.arithmetic(e.operator, left, m.eval(e.right, s))
}

func (e *logical) evaluate(m *machine, s *scope) Value {
	left := m.eval(e.left, s)
	if Truth(left) == (e.operator == "or") {
		return left
	}
	return m.eval(e.right, s)
}

func (e *comparison) evaluate(m *machine, s *scope) Value {
	left := m.eval(e.first, s)
	for i, operator := range e.operators {
		right := m.eval(e.others[i], s)
		if !m.compare(operator, left, right) {
			return false
		}
		left = right
	}
	return true
}

func (e *conditional) evaluate(m *machine, s *scope) Value {
	if Truth(m.eval(e.condition, s)) {
		return m.eval(e.then, s)
	}
	if e.otherwise == nil {
		return &undefined{"the inline if-expression evaluated to false and no else section was defined."}
	}
	return m.eval(e.otherwise, s)
}
