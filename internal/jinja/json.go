package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// jsonWriter writes a value as Python's json.dumps does.
type jsonWriter struct {
	m             *machine
	out           strings.Builder
	ascii         bool
	sortKeys      bool
	indented      bool
	indent        string
	itemSeparator string
	keySeparator  string
}

// toJSON is transformers' tojson filter: json.dumps without escapes for HTML.
func toJSON(m *machine, v Value, a arguments) Value {
	p := a.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys")
	w := &jsonWriter{m: m, ascii: Truth(or(p[0], false)), sortKeys: Truth(or(p[3], false)), itemSeparator: ", ", keySeparator: ": "}
	switch indent := or(p[1], nil).(type) {
	case nil:
	case string:
		w.indented, w.indent = true, indent
	default:
		width := max(integer(indent, "indent"), 0)
		m.spendText(product(1, width))
		w.indented, w.indent = true, strings.Repeat(" ", int(width))
	}
	if w.indented {
		w.itemSeparator = ","
	}
	if separators := or(p[2], nil); separators != nil {
		pair := m.iterate(separators)
		if len(pair) != 2 {
			fail("separators must be a pair of strings")
		}
		w.itemSeparator, w.keySeparator = textArgument(pair[0], "separator"), textArgument(pair[1], "separator")
	}
	w.write(v, 0)
	return w.out.String()
}

func (w *jsonWriter) text(s string) {
	w.m.spendText(len(s))
	w.out.WriteString(s)
}

func (w *jsonWriter) write(v Value, level int) {
	w.m.enter()
	defer w.m.leave()
	switch v := v.(type) {
	case nil:
		w.text("null")
	case bool:
		w.text(strings.ToLower(scalarRepr(v)))
	case int64:
		w.text(strconv.FormatInt(v, 10))
	case float64:
		w.text(jsonFloat(v))
	case string:
		w.text(w.quote(v))
	case List:
		w.list(v, level)
	case Tuple:
		w.list(v, level)
	case *Dict:
		w.dict(v, level)
	default:
		fail("Object of type %s is not JSON serializable", typeName(v))
	}
}

func jsonFloat(x float64) string {
	switch {
	case math.IsNaN(x):
		return "NaN"
	case math.IsInf(x, 1):
		return "Infinity"
	case math.IsInf(x, -1):
		return "-Infinity"
	}
	return floatRepr(x)
}

// newline starts a line of an indented document.
func (w *jsonWriter) newline(level int) {
	if w.indented {
		w.m.spendText(product(len(w.indent), int64(level)))
		w.text("\n" + strings.Repeat(w.indent, level))
	}
}

func (w *jsonWriter) list(items []Value, level int) {
	if len(items) == 0 {
		w.text("[]")
		return
	}
	w.text("[")
	for i, item := range items {
		if i > 0 {
			w.text(w.itemSeparator)
		}
		w.newline(level + 1)
		w.write(item, level+1)
	}
	w.newline(level)
	w.text("]")
}

func (w *jsonWriter) dict(d *Dict, level int) {
	if d.Len() == 0 {
		w.text("{}")
		return
	}
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if w.sortKeys {
		slices.SortStableFunc(order, func(i, j int) int { return w.m.mustOrder(d.keys[i], d.keys[j]) })
	}
	w.text("{")
	for n, i := range order {
		if n > 0 {
			w.text(w.itemSeparator)
		}
		w.newline(level + 1)
		w.text(w.quote(w.key(d.keys[i])) + w.keySeparator)
		w.write(d.values[i], level+1)
	}
	w.newline(level)
	w.text("}")
}

// key returns the text of a key: JSON has no other kind.
func (w *jsonWriter) key(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return "null"
	case bool:
		return strings.ToLower(scalarRepr(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return jsonFloat(v)
	}
	fail("keys must be str, int, float, bool or None, not %s", typeName(v))
	return ""
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`}

func (w *jsonWriter) quote(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		escape, short := jsonEscapes[r]
		switch {
		case short:
			out.WriteString(escape)
		case r < 0x20 || w.ascii && r > 0x7e && r < 0x10000:
			writeUnit(&out, r)
		case w.ascii && r >= 0x10000:
			high, low := utf16.EncodeRune(r)
			writeUnit(&out, high)
			writeUnit(&out, low)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

func writeUnit(out *strings.Builder, unit rune) {
	code := strconv.FormatInt(int64(unit), 16)
	out.WriteString(`\u` + strings.Repeat("0", 4-len(code)) + code)
}
