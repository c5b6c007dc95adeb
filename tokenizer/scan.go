package tokenizer

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks JSON without building values: vocabularies hold hundreds of thousands of
// entries, which encoding/json would spend most of a second on. It accepts a superset of
// JSON (it does not look inside skipped values), never reads past its data, and reports
// the first offence with its byte offset.
type scanner struct {
	data []byte
	pos  int
	err  error
}

// fail records the first error and moves to the end, so that loops over the data stop.
func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("invalid JSON at byte %d: %s", s.pos, what)
	}
	s.pos = len(s.data)
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.pos++
	}
	return 0
}

// expect consumes the byte c after white space.
func (s *scanner) expect(c byte) {
	if s.peek() != c || s.err != nil {
		s.fail("expected " + strconv.QuoteRune(rune(c)))
		return
	}
	s.pos++
}

// more steps to the next element of an array or object closed by end: it consumes the
// comma between elements, or end itself (then it returns false).
func (s *scanner) more(end byte, first bool) bool {
	if c := s.peek(); s.err == nil && c == end {
		s.pos++
		return false
	}
	if !first {
		s.expect(',')
	}
	return s.err == nil && s.pos < len(s.data)
}

// rawString consumes a string and returns what stands between its quotes, still escaped.
func (s *scanner) rawString() (raw []byte, escaped bool) {
	s.expect('"')
	start := s.pos
	for i := start; i < len(s.data); i++ {
		switch s.data[i] {
		case '"':
			s.pos = i + 1
			return s.data[start:i], escaped
		case '\\':
			escaped = true
			i++
		}
	}
	s.fail("string without end")
	return nil, false
}

// text consumes a string and returns its content as UTF-8: a view of the data when nothing
// is escaped, else bytes appended to scratch.
func (s *scanner) text(scratch []byte) []byte {
	raw, escaped := s.rawString()
	if !escaped {
		return raw
	}
	out, ok := unescape(scratch, raw)
	if !ok {
		s.fail("bad escape in string")
	}
	return out
}

// key consumes an object key and its colon.
func (s *scanner) key() string {
	name := string(s.text(nil))
	s.expect(':')
	return name
}

// integer consumes a non-negative integer.
func (s *scanner) integer() int {
	s.peek()
	n, start := 0, s.pos
	most := min(maxTokenID, max(sparseTokenID, len(s.data)))
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		n = n*10 + int(s.data[s.pos]-'0')
		if n > most {
			s.fail("number too large for a token id")
			return 0
		}
		s.pos++
	}
	if s.pos == start {
		s.fail("expected a token id")
	}
	return n
}

// skip consumes any value and returns its bytes.
func (s *scanner) skip() []byte {
	s.peek()
	start, depth := s.pos, 0
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '"':
			s.rawString()
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			if depth == 0 {
				return s.data[start:s.pos]
			}
			depth--
			s.pos++
		case ',':
			if depth == 0 {
				return s.data[start:s.pos]
			}
			s.pos++
		default:
			s.pos++
		}
		if depth == 0 && (s.data[s.pos-1] == '}' || s.data[s.pos-1] == ']' || s.data[s.pos-1] == '"') {
			return s.data[start:s.pos]
		}
	}
	if depth > 0 {
		s.fail("value without end")
	}
	return s.data[start:]
}

var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape appends the content of a JSON string to out. Lone surrogates become U+FFFD.
func unescape(out, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		if i == len(raw) {
			return out, false
		}
		if raw[i] != 'u' {
			c := simpleEscapes[raw[i]]
			if c == 0 {
				return out, false
			}
			out = append(out, c)
			continue
		}
		unit, ok := hexUnit(raw[i+1:])
		if !ok {
			return out, false
		}
		i += 4
		r := rune(unit)
		if utf16.IsSurrogate(r) {
			r = utf8.RuneError
			if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
				if low, ok := hexUnit(raw[i+3:]); ok {
					if pair := utf16.DecodeRune(rune(unit), rune(low)); pair != utf8.RuneError {
						r = pair
						i += 6
					}
				}
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, true
}

// hexUnit reads the four hexadecimal digits at the front of b.
func hexUnit(b []byte) (uint16, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return uint16(n), err == nil
}
