package jinja

import (
	"slices"
	"strings"
)

// Methods of strings that look for something.

func affixMethod(name string, has func(s, affix string) bool) method {
	return func(m *machine, self Value, a arguments) Value {
		p := a.positionalOnly(name, 1, "affix", "start", "end")
		s := m.part(self.(string), p[1], p[2])
		if all, ok := p[0].(Tuple); ok {
			return slices.ContainsFunc(all, func(v Value) bool { return has(s, textArgument(v, name+" first arg")) })
		}
		if affix, ok := p[0].(string); ok {
			return has(s, affix)
		}
		use(p[0])
		fail("%s first arg must be str or a tuple of str, not %s", name, typeName(p[0]))
		return nil
	}
}

// part returns the stretch of a text between two optional indices.
func (m *machine) part(s string, start, end Value) string {
	start, end = or(start, nil), or(end, nil)
	if start == nil && end == nil {
		return s
	}
	return m.slice(s, start, end, nil).(string)
}

func removeAffix(name string, remove func(s, affix string) string) method {
	return func(_ *machine, self Value, a arguments) Value {
		return remove(self.(string), textArgument(a.positionalOnly(name, 1, "affix")[0], name+"() argument"))
	}
}

func findMethod(name string, find func(s, part string) int, must bool) method {
	return func(m *machine, self Value, a arguments) Value {
		p := a.positionalOnly(name, 1, "sub", "start", "end")
		s := self.(string)
		offset := int64(0)
		if start := or(p[1], nil); start != nil {
			length := m.length(s)
			if offset = integer(start, "start"); offset < 0 {
				offset = max(offset+length, 0)
			}
			if offset > length {
				return notFound(must)
			}
		}
		inner := m.part(s, p[1], p[2])
		m.spendText(len(inner))
		at := find(inner, textArgument(p[0], name+"() argument 1"))
		if at >= 0 {
			return offset + int64(len([]rune(inner[:at])))
		}
		return notFound(must)
	}
}

// notFound is what a search without a hit gives: an error where there must be one.
func notFound(must bool) Value {
	if must {
		fail("substring not found")
	}
	return int64(-1)
}

func countMethod(m *machine, self Value, a arguments) Value {
	p := a.positionalOnly("count", 1, "sub", "start", "end")
	s := m.part(self.(string), p[1], p[2])
	m.spendText(len(s))
	return int64(strings.Count(s, textArgument(p[0], "count() argument 1")))
}
