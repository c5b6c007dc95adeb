package pyjson

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Append writes v compactly, non-ASCII characters as they are, numbers as Python spells them.
// NaN and infinities, which JSON cannot hold, become null.
func Append(b []byte, v Value) []byte {
	switch v.kind {
	case Null:
		return append(b, "null"...)
	case Boolean:
		return append(b, v.text...)
	case Integer:
		if v.text == "-0" {
			return append(b, '0')
		}
		return append(b, v.text...)
	case Float:
		return AppendFloat(b, v.Number())
	case String:
		return AppendString(b, v.text)
	}
	opening, closing := byte('['), byte(']')
	if v.kind == Object {
		opening, closing = '{', '}'
	}
	b = append(b, opening)
	for i, item := range v.inner.items {
		if i > 0 {
			b = append(b, ',')
		}
		if v.kind == Object {
			b = append(AppendString(b, v.inner.keys[i]), ':')
		}
		b = Append(b, item)
	}
	return append(b, closing)
}

// AppendFloat writes a number as Python's repr does: the shortest digits that read back
// equal, with a point or an exponent. NaN and infinities become null.
func AppendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	size := math.Abs(f)
	if size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'f', -1, 64)
	if size < 1e16 && f == math.Trunc(f) {
		b = append(b, ".0"...)
	}
	return b
}

const hexDigits = "0123456789abcdef"

// AppendString writes s as a JSON string. Only quotes, backslashes and control characters are
// escaped; HTML is left alone. Bytes that are no UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[from:]...), '"')
}

// AppendASCII is AppendString with every character that is not ASCII escaped.
func AppendASCII(b []byte, s string) []byte {
	from := len(b)
	b = AppendString(b, s)
	for i := from; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return appendEscaped(b[:i], string(b[i:]))
		}
	}
	return b
}

// appendEscaped writes the rest of a string, which is valid UTF-8, without non-ASCII characters.
func appendEscaped(b []byte, rest string) []byte {
	for _, r := range rest {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendUnit(appendUnit(b, high), low)
		default:
			b = appendUnit(b, r)
		}
	}
	return b
}

func appendUnit(b []byte, unit rune) []byte {
	return append(b, '\\', 'u', hexDigits[unit>>12&15], hexDigits[unit>>8&15], hexDigits[unit>>4&15], hexDigits[unit&15])
}
