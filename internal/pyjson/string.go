package pyjson

import "strings"

// str reads a string whose opening quote is next. One without escapes shares the document's
// memory.
func (p *parser) str() (string, error) {
	begin := p.at
	p.at++
	var out strings.Builder
	for from := p.at; ; from = p.at {
		if err := p.plain(begin); err != nil {
			return "", err
		}
		run := p.text[from:p.at]
		if p.next('"') {
			p.at++
			if out.Len() == 0 {
				return run, nil
			}
			out.WriteString(run)
			return out.String(), nil
		}
		out.WriteString(run)
		r, err := p.escape(begin)
		if err != nil {
			return "", err
		}
		out.WriteRune(r) // half a surrogate pair is written as U+FFFD
	}
}

// plain moves to the next quote or backslash.
func (p *parser) plain(begin int) error {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"' || c == '\\':
			return nil
		case c < 0x20:
			return p.fail("Invalid control character at", p.at)
		}
	}
	return p.fail("Unterminated string starting at", begin)
}

// escapes are the escapes of one letter.
var escapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads an escape whose backslash is next; two that make a surrogate pair are one.
func (p *parser) escape(begin int) (rune, error) {
	backslash := p.at
	p.at++
	if p.at >= len(p.text) {
		return 0, p.fail("Unterminated string starting at", begin)
	}
	if !p.next('u') {
		r, ok := escapes[p.text[p.at]]
		if !ok {
			return 0, p.fail(`Invalid \escape`, backslash)
		}
		p.at++
		return r, nil
	}
	r, ok := p.hex(p.at + 1)
	if !ok {
		return 0, p.fail(`Invalid \uXXXX escape`, p.at)
	}
	p.at += 5
	if isHighSurrogate(r) && strings.HasPrefix(p.text[p.at:], `\u`) {
		if low, ok := p.hex(p.at + 2); ok && isLowSurrogate(low) {
			p.at += 6
			return joinSurrogates(r, low), nil
		}
	}
	return r, nil
}

// hex reads four hexadecimal digits; as in Python they must not end the document.
func (p *parser) hex(from int) (rune, bool) {
	if from+4 >= len(p.text) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.text[from : from+4]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
