package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// lossy decodes bytes as UTF-8 with one U+FFFD for each maximal invalid part (Unicode,
// "substitution of maximal subparts"; the same as Rust's from_utf8_lossy): a truncated
// character is one replacement, every stray byte one.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		if _, size := utf8.DecodeRune(b); size > 1 || b[0] < utf8.RuneSelf {
			out.Write(b[:size])
			b = b[size:]
			continue
		}
		n, _ := invalidPart(b)
		out.WriteRune(utf8.RuneError)
		b = b[n:]
	}
	return out.String()
}

// invalidPart measures the maximal invalid part at the front of b, at least one byte.
// open tells that it ends with the data and could still become a character.
func invalidPart(b []byte) (n int, open bool) {
	need, low, high := 0, byte(0x80), byte(0xBF)
	switch c := b[0]; {
	case 0xC2 <= c && c <= 0xDF:
		need = 1
	case 0xE0 <= c && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case 0xF0 <= c && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	for n = 1; n <= need; n++ {
		if n == len(b) {
			return n, true
		}
		if b[n] < low || b[n] > high {
			return n, false
		}
		low, high = 0x80, 0xBF
	}
	return n, false
}

// completePrefix returns the length of b without a character that is cut off at its end.
func completePrefix(b []byte) int {
	for i := max(0, len(b)-utf8.UTFMax+1); i < len(b); i++ {
		if !utf8.RuneStart(b[i]) || utf8.FullRune(b[i:]) {
			continue
		}
		if _, open := invalidPart(b[i:]); open {
			return i
		}
	}
	return len(b)
}
