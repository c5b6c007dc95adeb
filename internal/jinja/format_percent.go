package jinja

import (
	"strconv"
	"strings"

	"npinf/internal/pyrepr"
)

// percent is Python's format % values.
func (m *machine) percent(format string, values Value) string {
	m.spendText(len(format))
	p := &percentFormat{m: m, values: values}
	if tuple, ok := values.(Tuple); ok {
		p.items = tuple
	} else {
		p.items = []Value{values}
	}
	rest := format
	for {
		literal, conversion, found := strings.Cut(rest, "%")
		p.out.WriteString(literal)
		if !found {
			break
		}
		rest = p.conversion(conversion)
		m.spendText(p.out.Len() / 16)
	}
	_, mapping := values.(*Dict)
	if p.used < len(p.items) && !p.named && !mapping {
		fail("not all arguments converted during string formatting")
	}
	return m.made(p.out.String())
}

// percentFormat is the state of a % formatting.
type percentFormat struct {
	m      *machine
	values Value
	items  []Value
	used   int
	named  bool
	out    strings.Builder
}

func (p *percentFormat) next() Value {
	if p.used == len(p.items) {
		fail("not enough arguments for format string")
	}
	p.used++
	return p.items[p.used-1]
}

// conversion formats one value and returns what follows the conversion in text.
func (p *percentFormat) conversion(text string) string {
	f := spec{precision: -1}
	var v Value = absent{}
	if strings.HasPrefix(text, "(") {
		name, rest, found := strings.Cut(text[1:], ")")
		d, ok := p.values.(*Dict)
		if !found || !ok {
			fail("format requires a mapping")
		}
		value, ok := d.Get(name)
		if !ok {
			fail("%s", pyrepr.Quote(name))
		}
		v, text, p.named = value, rest, true
	}
	text = f.percentFlags(text)
	text = p.size(text, &f.width)
	if strings.HasPrefix(text, ".") {
		f.precision = 0
		text = p.size(text[1:], &f.precision)
	}
	text = strings.TrimLeft(text, "hlL")
	if text == "" {
		fail("incomplete format")
	}
	f.verb = text[0]
	if f.verb == '%' {
		p.out.WriteByte('%')
		return text[1:]
	}
	if isAbsent(v) {
		v = p.next()
	}
	p.out.WriteString(p.m.convert(f, v))
	return text[1:]
}

func (f *spec) percentFlags(text string) string {
	for ; text != ""; text = text[1:] {
		switch text[0] {
		case '-':
			f.align = '<'
		case '+':
			f.sign = '+'
		case ' ':
			f.sign = max(f.sign, ' ')
		case '#':
			f.alternate = true
		case '0':
			f.zero = true
		default:
			f.zero = f.zero && f.align != '<'
			return text
		}
	}
	return text
}

// size reads a width or precision: digits, or "*" for the next value.
func (p *percentFormat) size(text string, to *int64) string {
	if strings.HasPrefix(text, "*") {
		*to = integer(p.next(), "* wants int: the width")
		return text[1:]
	}
	digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	if digits != "" {
		*to = parseSize(digits)
	}
	return text[len(digits):]
}

func parseSize(digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		fail("width or precision %s is too large", digits)
	}
	return n
}

// convert formats a value by a conversion letter of % formatting.
func (m *machine) convert(f spec, v Value) string {
	align := f.align
	if align == 0 {
		align = '>'
	}
	switch f.verb {
	case 's':
		return m.pad(m.shortened(m.str(v), f.precision), f.width, " ", align)
	case 'r', 'a':
		return m.pad(m.shortened(m.repr(v), f.precision), f.width, " ", align)
	case 'c':
		if s, ok := v.(string); ok && m.length(s) == 1 {
			return m.pad(s, f.width, " ", align)
		}
		return m.pad(string(rune(integer(v, "%c argument"))), f.width, " ", align)
	case 'i', 'u':
		f.verb = 'd'
	case 'd', 'x', 'X', 'o', 'e', 'E', 'f', 'F', 'g', 'G':
	default:
		fail("unsupported format character %s", pyrepr.Quote(string(rune(f.verb))))
	}
	if _, isFloat := v.(float64); isFloat && (f.verb == 'x' || f.verb == 'X' || f.verb == 'o') {
		fail("%%%c format: an integer is required, not float", f.verb)
	}
	if _, _, _, ok := number(v); !ok {
		use(v)
		fail("%%%c format: a real number is required, not %s", f.verb, typeName(v))
	}
	return m.formatNumber(f, v)
}

// shortened returns the first characters of a text.
func (m *machine) shortened(s string, most int64) string {
	if most < 0 || int64(len(s)) <= most {
		return s
	}
	return m.slice(s, nil, most, nil).(string)
}
