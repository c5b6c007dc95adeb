package jinja

import (
	"slices"
	"strconv"
	"strings"

	"npinf/internal/pyrepr"
)

// Filters over sequences. Those that give a generator in Python give one here: it has no
// length, is always true, and can be walked once.

func first(m *machine, v Value, _ arguments) Value {
	if g, ok := v.(*generator); ok && len(g.rest) > 0 {
		item := g.rest[0]
		g.rest = g.rest[1:]
		return item
	}
	if items := m.iterate(v); len(items) > 0 {
		return items[0]
	}
	return &undefined{"No first item, sequence was empty."}
}

func last(m *machine, v Value, _ arguments) Value {
	if _, ok := v.(*generator); ok {
		fail("'generator' object is not reversible")
	}
	if items := m.iterate(v); len(items) > 0 {
		return items[len(items)-1]
	}
	return &undefined{"No last item, sequence was empty."}
}

func listFilter(m *machine, v Value, _ arguments) Value {
	return List(slices.Clone(m.iterate(v)))
}

func reverse(m *machine, v Value, _ arguments) Value {
	if s, ok := v.(string); ok {
		return m.slice(s, nil, nil, int64(-1))
	}
	items := slices.Clone(m.iterate(v))
	slices.Reverse(items)
	return &generator{items}
}

func itemsFilter(m *machine, v Value, _ arguments) Value {
	if isUndefined(v) {
		return &generator{}
	}
	d, ok := v.(*Dict)
	if !ok {
		fail("Can only get item pairs from a mapping.")
	}
	m.spendItems(d.Len())
	return &generator{d.entries()}
}

func joinFilter(m *machine, v Value, a arguments) Value {
	p := a.bind("join", 0, "d", "attribute")
	var texts []string
	for _, item := range m.iterate(v) {
		if attribute := or(p[1], nil); attribute != nil {
			item = m.path(item, attribute)
		}
		texts = append(texts, m.str(item))
	}
	return m.join(texts, m.str(or(p[0], "")))
}

// path follows an attribute given as "a.b.0", or an index.
func (m *machine) path(v Value, attribute Value) Value {
	name, ok := attribute.(string)
	if !ok {
		return m.item(v, attribute)
	}
	for part := range strings.SplitSeq(name, ".") {
		if i, err := strconv.ParseInt(part, 10, 64); err == nil && part[0] >= '0' && part[0] <= '9' {
			v = m.item(v, i)
		} else {
			v = m.item(v, part)
		}
	}
	return v
}

// mapFilter gives an attribute of every item, or puts every item through a filter.
func mapFilter(m *machine, v Value, a arguments) Value {
	items := m.iterate(v)
	mapped := make([]Value, len(items))
	attribute, ok := a.keyword("attribute")
	switch {
	case ok && len(a.positional) == 0:
		otherwise, _ := a.keyword("default")
		for i, item := range items {
			mapped[i] = m.path(item, attribute)
			if isUndefined(mapped[i]) && otherwise != nil {
				mapped[i] = otherwise
			}
		}
	case len(a.positional) == 0:
		fail("map requires a filter argument")
	default:
		name := m.str(a.positional[0])
		rest := arguments{a.positional[1:], a.keywords}
		for i, item := range items {
			m.spend(1)
			mapped[i] = m.filter(name, item, rest)
		}
	}
	return &generator{mapped}
}

// selection is select, reject and their variants that test an attribute of the items.
func selection(filter string, byAttribute, keep bool) filterFunction {
	return func(m *machine, v Value, a arguments) Value {
		rest := a.positional
		var attribute Value
		if byAttribute {
			if len(rest) == 0 {
				fail("%s: missing parameter for attribute name", filter)
			}
			attribute, rest = rest[0], rest[1:]
		}
		var chosen []Value
		for _, item := range m.iterate(v) {
			m.spend(1)
			subject := item
			if byAttribute {
				subject = m.path(item, attribute)
			}
			holds := false
			if len(rest) == 0 {
				holds = Truth(subject)
			} else {
				holds = m.test(m.str(rest[0]), subject, arguments{rest[1:], a.keywords})
			}
			if holds == keep {
				chosen = append(chosen, item)
			}
		}
		return &generator{chosen}
	}
}

// sortKey returns what an item is sorted by; texts are compared without case unless asked.
func (m *machine) sortKey(item Value, attribute Value, caseSensitive bool) Value {
	if attribute != nil {
		item = m.path(item, attribute)
	}
	if s, ok := item.(string); ok && !caseSensitive {
		m.spendText(len(s))
		return lower(s)
	}
	return item
}

// mustOrder compares values that must have an order.
func (m *machine) mustOrder(left, right Value) int {
	order, _ := m.orderItems([]Value{left}, []Value{right})
	return order
}

// sorted returns items in the order of keys, one key an item, stable also when reversed.
func (m *machine) sorted(items, keys []Value, reversed bool) []Value {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		if reversed {
			i, j = j, i
		}
		return m.mustOrder(keys[i], keys[j])
	})
	return pick(items, order)
}

func sortFilter(m *machine, v Value, a arguments) Value {
	p := a.bind("sort", 0, "reverse", "case_sensitive", "attribute")
	sensitive := Truth(or(p[1], false))
	attributes := []Value{or(p[2], nil)}
	if names, ok := attributes[0].(string); ok {
		attributes = m.texts(strings.Split(names, ","))
	}
	items := m.iterate(v)
	keys := make([]Value, len(items))
	for i, item := range items {
		key := make(List, len(attributes))
		for j, attribute := range attributes {
			key[j] = m.sortKey(item, attribute, sensitive)
		}
		keys[i] = key
	}
	return List(m.sorted(items, keys, Truth(or(p[0], false))))
}

func dictSort(m *machine, v Value, a arguments) Value {
	p := a.bind("dictsort", 0, "case_sensitive", "by", "reverse")
	d, ok := v.(*Dict)
	if !ok {
		use(v)
		fail("%s object has no attribute 'items'", pyrepr.Quote(typeName(v)))
	}
	by := d.keys
	switch or(p[1], "key") {
	case "key":
	case "value":
		by = d.values
	default:
		fail(`You can only sort by either "key" or "value"`)
	}
	keys := make([]Value, len(by))
	for i, item := range by {
		keys[i] = m.sortKey(item, nil, Truth(or(p[0], false)))
	}
	return List(m.sorted(d.entries(), keys, Truth(or(p[2], false))))
}

func unique(m *machine, v Value, a arguments) Value {
	p := a.bind("unique", 0, "case_sensitive", "attribute")
	seen := map[any]bool{}
	var items []Value
	for _, item := range m.iterate(v) {
		key := m.hash(m.sortKey(item, or(p[1], nil), Truth(or(p[0], false))))
		if !seen[key] {
			seen[key] = true
			items = append(items, item)
		}
	}
	return &generator{items}
}

// extreme is min and max.
func extreme(filter, operator string) filterFunction {
	return func(m *machine, v Value, a arguments) Value {
		p := a.bind(filter, 0, "case_sensitive", "attribute")
		key := func(item Value) Value { return m.sortKey(item, or(p[1], nil), Truth(or(p[0], false))) }
		items := m.iterate(v)
		if len(items) == 0 {
			return &undefined{"No aggregated item, sequence was empty."}
		}
		best := items[0]
		for _, item := range items[1:] {
			if m.ordered(operator, key(item), key(best)) {
				best = item
			}
		}
		return best
	}
}
