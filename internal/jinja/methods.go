package jinja

// method is a method of a built-in type; self is of that type.
type method func(m *machine, self Value, a arguments) Value

// methods lists the methods by type. Those that change their object are forbidden instead.
var methods = map[string]map[string]method{
	"str": textMethods,
	"dict": {
		"get":    dictGet,
		"keys":   dictView("dict_keys", func(d *Dict) []Value { return d.keys }),
		"values": dictView("dict_values", func(d *Dict) []Value { return d.values }),
		"items":  dictView("dict_items", (*Dict).entries),
		"copy":   func(_ *machine, self Value, _ arguments) Value { return self }, // nobody can change either
	},
	"list": {
		"index": sequenceIndex,
		"count": sequenceCount,
		"copy":  func(_ *machine, self Value, _ arguments) Value { return self },
	},
	"tuple": {"index": sequenceIndex, "count": sequenceCount},
	"float": {"is_integer": func(_ *machine, self Value, _ arguments) Value {
		x := self.(float64)
		return x == float64(int64(x))
	}},
}

func dictGet(m *machine, self Value, a arguments) Value {
	p := a.positionalOnly("get", 1, "key", "default")
	if v, ok := m.get(self.(*Dict), p[0]); ok {
		return v
	}
	return or(p[1], nil)
}

func dictView(kind string, items func(*Dict) []Value) method {
	return func(m *machine, self Value, a arguments) Value {
		a.positionalOnly(kind[len("dict_"):], 0)
		d := self.(*Dict)
		m.spendItems(d.Len())
		return &view{kind, items(d)}
	}
}

func sequenceIndex(m *machine, self Value, a arguments) Value {
	wanted := a.positionalOnly("index", 1, "value")[0]
	for i, item := range m.iterate(self) {
		if m.equal(item, wanted) {
			return int64(i)
		}
	}
	fail("%s is not in %s", m.repr(wanted), typeName(self))
	return nil
}

func sequenceCount(m *machine, self Value, a arguments) Value {
	wanted := a.positionalOnly("count", 1, "value")[0]
	count := int64(0)
	for _, item := range m.iterate(self) {
		if m.equal(item, wanted) {
			count++
		}
	}
	return count
}
