package jinja

// loop is what a template sees as "loop" inside a for statement.
type loop struct {
	items   []Value
	index   int64 // of the current item, from 0
	changed *Tuple
}

func (n *forLoop) execute(m *machine, s *scope) signal {
	items := m.iterate(m.eval(n.iterable, s))
	if n.condition != nil {
		items = n.chosen(m, items, s)
	}
	if len(items) == 0 {
		return m.run(n.otherwise, &scope{parent: s})
	}
	state := &loop{items: items}
	for i, item := range items {
		m.spend(2) // a scope costs more than a node
		state.index = int64(i)
		inner := &scope{parent: s, names: make([]string, 0, 4), values: make([]Value, 0, 4)}
		inner.set("loop", state)
		m.assign(n.target, item, inner)
		if m.run(n.body, inner) == leaveLoop {
			break
		}
	}
	return proceed
}

// chosen returns the items for which the condition of the loop holds.
func (n *forLoop) chosen(m *machine, items []Value, s *scope) []Value {
	var chosen []Value
	for _, item := range items {
		inner := &scope{parent: s}
		inner.set("loop", &undefined{"The 'loop' variable of a loop cannot be accessed in its condition."})
		m.assign(n.target, item, inner)
		if Truth(m.eval(n.condition, inner)) {
			chosen = append(chosen, item)
		}
	}
	return chosen
}

// attribute returns loop.name; ok is false if there is no such thing.
func (l *loop) attribute(m *machine, name string) (v Value, ok bool) {
	count := int64(len(l.items))
	neighbour := func(i int64, message string) Value {
		if i < 0 || i >= count {
			return &undefined{message}
		}
		return l.items[i]
	}
	switch name {
	case "index":
		return l.index + 1, true
	case "index0":
		return l.index, true
	case "revindex":
		return count - l.index, true
	case "revindex0":
		return count - l.index - 1, true
	case "first":
		return l.index == 0, true
	case "last":
		return l.index == count-1, true
	case "length":
		return count, true
	case "depth": // counts recursive loops only
		return int64(1), true
	case "depth0":
		return int64(0), true
	case "previtem":
		return neighbour(l.index-1, "there is no previous item"), true
	case "nextitem":
		return neighbour(l.index+1, "there is no next item"), true
	case "cycle":
		return &function{name: "cycle", call: l.cycle}, true
	case "changed":
		return &function{name: "changed", call: l.isChanged}, true
	}
	return nil, false
}

// cycle returns the arguments in turn, one an iteration.
func (l *loop) cycle(_ *machine, a arguments) Value {
	if len(a.positional) == 0 {
		fail("no items for cycling given")
	}
	return a.positional[l.index%int64(len(a.positional))]
}

// isChanged reports whether the arguments differ from those of the call before.
func (l *loop) isChanged(m *machine, a arguments) Value {
	now := Tuple(a.positional)
	if l.changed != nil && m.equal(*l.changed, now) {
		return false
	}
	l.changed = &now
	return true
}
