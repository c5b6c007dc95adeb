package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// spec is how a value is to be formatted: the part of a conversion between "%" and its
// letter, or behind the colon in braces.
type spec struct {
	fill      string // "" for a blank
	align     byte   // '<', '>', '^', '=', or 0
	sign      byte   // '+', ' ', or 0
	alternate bool
	zero      bool
	width     int64
	grouping  string
	precision int64 // -1 for none
	verb      byte  // 0 for none
}

// maxPrecision bounds the digits asked for; a float64 has no more to tell.
const maxPrecision = 1100

func (f spec) digits(otherwise int64) int {
	if f.precision < 0 {
		return int(otherwise)
	}
	return int(min(f.precision, maxPrecision))
}

// formatNumber formats a number by the letter of the spec.
func (m *machine) formatNumber(f spec, v Value) string {
	i, x, isInteger, ok := number(v)
	if !ok {
		use(v)
		fail("a number is required for format %q, not %s", string(f.verb), typeName(v))
	}
	var text string
	switch f.verb {
	case 'd', 'x', 'X', 'o', 'b':
		if !isInteger {
			i = truncate(x)
		}
		text = formatInteger(f, i)
	default:
		text = formatFloat(f, x)
	}
	if f.grouping != "" {
		text = groupThousands(text, f.grouping)
	}
	if f.sign != 0 && text[0] != '-' {
		text = string(f.sign) + text
	}
	align := f.align
	if align == 0 {
		align = '>'
	}
	if f.zero || align == '=' {
		sign := text[:len(text)-len(strings.TrimLeft(text, "+- "))]
		return sign + m.pad(text[len(sign):], f.width-int64(len(sign)), f.filling("0"), '>')
	}
	return m.pad(text, f.width, f.filling(" "), align)
}

func (f spec) filling(otherwise string) string {
	if f.fill == "" {
		return otherwise
	}
	return f.fill
}

func formatInteger(f spec, i int64) string {
	bases := map[byte]int{'d': 10, 'x': 16, 'X': 16, 'o': 8, 'b': 2}
	text := strconv.FormatInt(i, bases[f.verb])
	if f.alternate && f.verb != 'd' {
		digits := strings.TrimPrefix(text, "-")
		text = text[:len(text)-len(digits)] + "0" + strings.ToLower(string(f.verb)) + digits
	}
	if f.verb == 'X' {
		text = strings.ToUpper(text)
	}
	return text
}

func formatFloat(f spec, x float64) string {
	percent := ""
	verb := f.verb
	if verb == '%' {
		x, verb, percent = x*100, 'f', "%"
	}
	var text string
	switch lowerVerb := verb | 0x20; {
	case math.IsNaN(x) || math.IsInf(x, 0):
		text = floatRepr(x)
	case lowerVerb == 'g':
		text = formatGeneral(x, max(f.digits(6), 1))
	default:
		text = strconv.FormatFloat(x, lowerVerb, f.digits(6), 64)
	}
	if verb < 'a' {
		text = strings.ToUpper(text)
	}
	return text + percent
}

// formatGeneral is %g: so many significant digits, without trailing zeros.
func formatGeneral(x float64, digits int) string {
	scientific := strconv.FormatFloat(x, 'e', digits-1, 64)
	mantissa, exponentText, _ := strings.Cut(scientific, "e")
	exponent, err := strconv.Atoi(exponentText)
	trim := func(s string) string {
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	if err != nil || exponent < -4 || exponent >= digits {
		return trim(mantissa) + "e" + exponentText
	}
	return trim(strconv.FormatFloat(x, 'f', digits-1-exponent, 64))
}

// groupThousands puts separators between the thousands of a number's integer part.
func groupThousands(text, separator string) string {
	digits := strings.TrimLeft(text, "-")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(digits)
	}
	var out strings.Builder
	out.WriteString(text[:len(text)-len(digits)])
	for i := range end {
		if i > 0 && (end-i)%3 == 0 {
			out.WriteString(separator)
		}
		out.WriteByte(digits[i])
	}
	return out.String() + digits[end:]
}

func truncate(x float64) int64 {
	if math.IsNaN(x) {
		fail("cannot convert float NaN to integer")
	}
	if math.IsInf(x, 0) {
		fail("cannot convert float infinity to integer")
	}
	if math.Abs(x) >= 1<<63 {
		overflow()
	}
	return int64(x)
}

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
			fail("%s", repr(name))
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
		fail("unsupported format character %s", repr(string(rune(f.verb))))
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
			fail("Single %s encountered in format string", repr(format[at:at+1]))
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
			fail("Unknown conversion specifier %s", repr(conversion))
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
		fail("%s", repr(name))
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
	switch {
	case isNumber && isBool && f.verb == 0, f.verb == 's', !isNumber:
		if f.verb != 0 && f.verb != 's' || isNumber && !isBool {
			fail("Unknown format code %s for object of type %s", repr(string(rune(f.verb))), repr(typeName(v)))
		}
		align := f.align
		if align == 0 || align == '=' {
			align = '<'
		}
		return m.pad(m.shortened(m.str(v), f.precision), f.width, f.filling(" "), align)
	case f.verb == 0 && isInteger, f.verb == 'n':
		f.verb = 'd'
	case f.verb == 0 && f.precision >= 0:
		f.verb = 'g'
	case f.verb == 0:
		return m.pad(floatRepr(v.(float64)), f.width, f.filling(" "), max(f.align, '>'))
	}
	if !isInteger && strings.IndexByte("dxXobc", f.verb) >= 0 {
		fail("Unknown format code %s for object of type 'float'", repr(string(rune(f.verb))))
	}
	if f.verb == 'c' {
		return m.pad(string(rune(integer(v, "%c argument"))), f.width, f.filling(" "), max(f.align, '<'))
	}
	return m.formatNumber(f, v)
}
