package jinja

import (
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
		fill := map[bool]string{true: "0", false: " "}[f.zero]
		sign := text[:len(text)-len(strings.TrimLeft(text, "+- "))]
		return sign + m.pad(text[len(sign):], f.width-int64(len(sign)), f.filling(fill), '>')
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
