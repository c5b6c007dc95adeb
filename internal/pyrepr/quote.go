// Package pyrepr writes texts as Python's repr does: in errors that clients know, and in what
// chat templates print.
package pyrepr

import (
	"strconv"
	"strings"
	"unicode"
)

// Quote is Python's repr of a str: in single quotes, unless the text holds one and no double
// quote; what cannot be printed is escaped.
func Quote(text string) string {
	quote := '\''
	if strings.Contains(text, "'") && !strings.Contains(text, `"`) {
		quote = '"'
	}
	var out strings.Builder
	out.WriteRune(quote)
	for _, r := range text {
		switch {
		case r == quote || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\r':
			out.WriteString(`\r`)
		case r == '\t':
			out.WriteString(`\t`)
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			writeEscape(&out, r)
		}
	}
	out.WriteRune(quote)
	return out.String()
}

// writeEscape writes a character by number: \x, \u or \U.
func writeEscape(out *strings.Builder, r rune) {
	letter, digits := `\U`, 8
	switch {
	case r < 0x100:
		letter, digits = `\x`, 2
	case r < 0x10000:
		letter, digits = `\u`, 4
	}
	code := strconv.FormatInt(int64(r), 16)
	out.WriteString(letter + strings.Repeat("0", digits-len(code)) + code)
}
