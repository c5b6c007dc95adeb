package jinja

import (
	"fmt"
	"strconv"
	"strings"

	"npinf/internal/pyrepr"
)

// formatMethod is str.format.
func formatMethod(m *machine, self Value, a arguments) Value {
	b := &braceFormat{m: m, arguments: a}
	b.run(self.(string))
	return m.made(b.out.String())
}

// braceFormat is the state of a str.format.
type braceFormat struct {
	m         *machine
	arguments arguments
	automatic int
	out       strings.Builder
}

func (b *braceFormat) run(format string) {
	b.m.spendText(len(format))
	for format != "" {
		at := strings.IndexAny(format, "{}")
		if at < 0 {
			b.out.WriteString(format)
			return
		}
		b.out.WriteString(format[:at])
		if brace := format[at]; strings.HasPrefix(format[at+1:], string(brace)) {
			b.out.WriteByte(brace)
			format = format[at+2:]
			continue
		}
		field, rest, found := strings.Cut(format[at+1:], "}")
		if format[at] == '}' || !found {
			fail("Single %s encountered in format string", pyrepr.Quote(format[at:at+1]))
		}
		b.field(field)
		b.m.spendText(b.out.Len() / 16)
		format = rest
	}
}

// field formats one replacement field: name, "!" conversion and ":" spec, all optional.
func (b *braceFormat) field(field string) {
	field, specText, _ := strings.Cut(field, ":")
	field, conversion, converted := strings.Cut(field, "!")
	v := b.lookup(field)
	if converted {
		switch conversion {
		case "s":
			v = b.m.str(v)
		case "r", "a":
			v = b.m.repr(v)
		default:
			fail("Unknown conversion specifier %s", pyrepr.Quote(conversion))
		}
	}
	b.out.WriteString(b.m.formatBraces(parseSpec(specText), v))
}

// lookup finds the value of a field name such as "0", "user.name" or "pair[1]".
func (b *braceFormat) lookup(field string) Value {
	end := strings.IndexAny(field, ".[")
	if end < 0 {
		end = len(field)
	}
	v := b.argument(field[:end])
	for rest := field[end:]; rest != ""; {
		var key string
		if rest[0] == '.' {
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			key, rest = rest[1:1+end], rest[1+end:]
			v = b.m.attribute(v, key)
		} else {
			inside, after, found := strings.Cut(rest[1:], "]")
			if !found || rest[0] != '[' {
				fail("expected ']' before end of string")
			}
			var index Value = inside
			if i, err := strconv.ParseInt(inside, 10, 64); err == nil {
				index = i
			}
			v, rest = b.m.item(v, index), after
		}
		use(v)
	}
	return v
}

func (b *braceFormat) argument(name string) Value {
	if name == "" {
		name = fmt.Sprint(b.automatic)
		b.automatic++
	}
	if i, err := strconv.Atoi(name); err == nil {
		if i < 0 || i >= len(b.arguments.positional) {
			fail("Replacement index %d out of range for positional args tuple", i)
		}
		return b.arguments.positional[i]
	}
	v, ok := b.arguments.keyword(name)
	if !ok {
		fail("%s", pyrepr.Quote(name))
	}
	return v
}

// parseSpec reads [[fill]align][sign][#][0][width][grouping][.precision][type].
func parseSpec(text string) spec {
	f := spec{precision: -1}
	if first, rest := cutFirst(text); rest != "" && strings.IndexByte("<>=^", rest[0]) >= 0 {
		f.fill, f.align, text = first, rest[0], rest[1:]
	} else if text != "" && strings.IndexByte("<>=^", text[0]) >= 0 {
		f.align, text = text[0], text[1:]
	}
	flag := func(set string) byte {
		if text == "" || strings.IndexByte(set, text[0]) < 0 {
			return 0
		}
		c := text[0]
		text = text[1:]
		return c
	}
	size := func() int64 {
		digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
		text = text[len(digits):]
		if digits == "" {
			return 0
		}
		return parseSize(digits)
	}
	if f.sign = flag("+- "); f.sign == '-' {
		f.sign = 0
	}
	f.alternate = flag("#") != 0
	f.zero = flag("0") != 0 && f.align == 0
	f.width = size()
	if c := flag(",_"); c != 0 {
		f.grouping = string(c)
	}
	if flag(".") != 0 {
		f.precision = size()
	}
	f.verb = flag("sdxXobeEfFgGn%c")
	if text != "" {
		fail("Invalid format specifier")
	}
	return f
}

// formatBraces formats a value for str.format.
func (m *machine) formatBraces(f spec, v Value) string {
	_, _, isInteger, isNumber := number(v)
	_, isBool := v.(bool)
	if !isNumber || isBool && f.verb == 0 {
		return m.formatText(f, v)
	}
	if f.verb == 0 || f.verb == 'n' {
		f.verb = 'd'
		if !isInteger {
			f.verb = 'g'
		}
		if !isInteger && f.precision < 0 { // as str() writes it
			return m.pad(floatRepr(v.(float64)), f.width, f.filling(" "), max(f.align, '>'))
		}
	}
	if f.verb == 's' || !isInteger && strings.IndexByte("dxXobc", f.verb) >= 0 {
		unknownFormat(f, v)
	}
	if f.verb == 'c' {
		return m.pad(string(rune(integer(v, "%c argument"))), f.width, f.filling(" "), max(f.align, '<'))
	}
	return m.formatNumber(f, v)
}

// formatText formats what is no number.
func (m *machine) formatText(f spec, v Value) string {
	if f.verb != 0 && f.verb != 's' {
		unknownFormat(f, v)
	}
	align := f.align
	if align == 0 || align == '=' {
		align = '<'
	}
	return m.pad(m.shortened(m.str(v), f.precision), f.width, f.filling(" "), align)
}

func unknownFormat(f spec, v Value) {
	fail("Unknown format code %s for object of type %s", pyrepr.Quote(string(rune(f.verb))), pyrepr.Quote(typeName(v)))
}
