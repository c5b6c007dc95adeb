package jinja

import "strings"

// filterFunction computes subject|name(arguments).
type filterFunction func(m *machine, subject Value, a arguments) Value

// filters is the table of filters, by name.
var filters = filterTable()

func filterTable() map[string]filterFunction {
	return map[string]filterFunction{
		"abs": absolute, "attr": attrFilter, "capitalize": textFilter(capitalize), "count": lengthFilter, "d": defaultFilter,
		"default": defaultFilter, "dictsort": dictSort, "e": escape, "escape": escape, "first": first, "float": floatFilter,
		"forceescape": escape, "format": formatFilter, "indent": indent, "int": intFilter, "items": itemsFilter,
		"join": joinFilter, "last": last, "length": lengthFilter, "list": listFilter, "lower": textFilter(lower), "map": mapFilter,
		"max": extreme("max", ">"), "min": extreme("min", "<"), "reject": selection("reject", false, false),
		"rejectattr": selection("rejectattr", true, false), "replace": replaceFilter, "reverse": reverse, "round": round,
		"safe": stringFilter, "select": selection("select", false, true), "selectattr": selection("selectattr", true, true),
		"sort": sortFilter, "string": stringFilter, "sum": sum, "title": textFilter(titleWords), "tojson": toJSON, "trim": trim,
		"unique": unique, "upper": textFilter(upper),
	}
}

// textFilter is a filter that maps str(subject) and takes no arguments.
func textFilter(convert func(string) string) filterFunction {
	return func(m *machine, v Value, a arguments) Value {
		a.bind("filter", 0)
		s := m.str(v)
		m.spendText(len(s))
		return m.made(convert(s))
	}
}

func stringFilter(m *machine, v Value, _ arguments) Value { return m.str(v) }

func lengthFilter(m *machine, v Value, _ arguments) Value { return m.length(v) }

func defaultFilter(_ *machine, v Value, a arguments) Value {
	p := a.bind("default", 0, "default_value", "boolean")
	if isUndefined(v) || Truth(or(p[1], false)) && !Truth(v) {
		return or(p[0], "")
	}
	return v
}

func trim(m *machine, v Value, a arguments) Value {
	return m.strip(m.str(v), or(a.bind("trim", 0, "chars")[0], nil), true, true)
}

func replaceFilter(m *machine, v Value, a arguments) Value {
	p := a.bind("replace", 2, "old", "new", "count")
	count := int64(-1)
	if given := or(p[2], nil); given != nil {
		count = integer(given, "count")
	}
	return m.replace(m.str(v), m.str(p[0]), m.str(p[1]), count)
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&#39;", `"`, "&#34;")

func escape(m *machine, v Value, _ arguments) Value {
	s := m.str(v)
	m.spendText(len(s))
	return m.made(htmlEscapes.Replace(s))
}

// titleWords is Jinja's title filter: words begin behind white space, "-" and brackets, so
// unlike str.title it leaves "don't" alone.
func titleWords(s string) string {
	var out strings.Builder
	start := true
	for _, r := range s {
		if start {
			out.WriteString(upper(string(r)))
		} else {
			out.WriteString(lower(string(r)))
		}
		start = IsSpace(r) || strings.ContainsRune("-({[<", r)
	}
	return out.String()
}

func formatFilter(m *machine, v Value, a arguments) Value {
	if len(a.keywords) == 0 {
		return m.percent(m.str(v), Tuple(a.positional))
	}
	if len(a.positional) > 0 {
		fail("can't handle positional and keyword arguments at the same time")
	}
	d := NewDict()
	for _, k := range a.keywords {
		d.Set(k.name, k.value)
	}
	return m.percent(m.str(v), d)
}

// indent puts blanks in front of the lines of a text, of the first and of empty ones only if
// asked to.
func indent(m *machine, v Value, a arguments) Value {
	p := a.bind("indent", 0, "width", "first", "blank")
	margin, ok := or(p[0], int64(4)).(string)
	if !ok {
		width := max(integer(or(p[0], int64(4)), "width"), 0)
		m.spendText(product(1, width))
		margin = strings.Repeat(" ", int(width))
	}
	s := m.str(v)
	m.spendText(len(s))
	lines := splitLines(s+"\n", false)
	m.spendText(product(len(margin), int64(len(lines))))
	for i, line := range lines {
		if i == 0 && Truth(or(p[1], false)) || i > 0 && (line != "" || Truth(or(p[2], false))) {
			lines[i] = margin + line
		}
	}
	return m.join(lines, "\n")
}

func attrFilter(m *machine, v Value, a arguments) Value {
	name := m.str(a.bind("attr", 1, "name")[0])
	use(v)
	if found, ok := m.member(v, name); ok {
		return found
	}
	return missingAttribute(v, name)
}
