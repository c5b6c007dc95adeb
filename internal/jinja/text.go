package jinja

import (
	"math"
	"strconv"
	"strings"

	"npinf/internal/pyrepr"
)

// str is Python's str(v).
func (m *machine) str(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case *undefined:
		return ""
	}
	return m.repr(v)
}

// repr is Python's repr(v).
func (m *machine) repr(v Value) string {
	var out strings.Builder
	m.writeRepr(&out, v)
	return m.made(out.String())
}

func (m *machine) writeRepr(out *strings.Builder, v Value) {
	m.enter()
	defer m.leave()
	switch v := v.(type) {
	case string:
		m.spendText(len(v))
		out.WriteString(pyrepr.Quote(v))
	case List:
		m.writeItems(out, "[", v, "]")
	case Tuple:
		if len(v) == 1 {
			m.writeItems(out, "(", v, ",)")
			return
		}
		m.writeItems(out, "(", v, ")")
	case *Dict:
		m.writeDict(out, v)
	case *view:
		m.writeItems(out, v.kind+"([", v.items, "])")
	case *namespace:
		out.WriteString("<Namespace ")
		m.writeDict(out, v.attributes)
		out.WriteString(">")
	default:
		out.WriteString(scalarRepr(v))
	}
}

func (m *machine) writeItems(out *strings.Builder, open string, items []Value, end string) {
	out.WriteString(open)
	for i, item := range items {
		if i > 0 {
			out.WriteString(", ")
		}
		m.writeRepr(out, item)
	}
	out.WriteString(end)
}

func (m *machine) writeDict(out *strings.Builder, d *Dict) {
	out.WriteString("{")
	for i, key := range d.keys {
		if i > 0 {
			out.WriteString(", ")
		}
		m.writeRepr(out, key)
		out.WriteString(": ")
		m.writeRepr(out, d.values[i])
	}
	out.WriteString("}")
}

// scalarRepr is repr for values that hold no others.
func scalarRepr(v Value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return floatRepr(v)
	case *undefined:
		return "Undefined"
	case *function:
		if v.repr != "" {
			return v.repr
		}
		return "<function " + v.name + ">"
	case *macro:
		return "<Macro " + pyrepr.Quote(v.definition.name) + ">"
	case *generator:
		return "<generator object>"
	case *loop:
		return "<LoopContext " + strconv.FormatInt(v.index+1, 10) + "/" + strconv.Itoa(len(v.items)) + ">"
	case *rangeValue:
		text := "range(" + strconv.FormatInt(v.start, 10) + ", " + strconv.FormatInt(v.start+v.step*v.count, 10)
		if v.step != 1 {
			text += ", " + strconv.FormatInt(v.step, 10)
		}
		return text + ")"
	}
	use(v)
	return typeName(v)
}

// floatRepr is repr for floats: the shortest digits that give the same number.
func floatRepr(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	}
	if size := math.Abs(x); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
