package pyjson

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Limits of a document.
const (
	MaxDepth  = 900  // levels of nesting; Python's own limit lies a little higher
	MaxDigits = 4300 // of an integer literal, as in Python
)

// Errors other than a SyntaxError.
var (
	// ErrUnreadable means bytes that are no text, or an integer longer than MaxDigits.
	ErrUnreadable = errors.New("the document is not readable as text, or holds an integer of too many digits")
	// ErrTooDeep means more than MaxDepth levels.
	ErrTooDeep = errors.New("the document is nested too deeply")
)

// SyntaxError is a place where a document stops being JSON, in Python's words.
type SyntaxError struct {
	Message string
	Offset  int // in code points
}

// Error returns the message.
func (e *SyntaxError) Error() string { return e.Message }

// Parse reads a document of any encoding that Python accepts. It fails with a *SyntaxError,
// ErrUnreadable or ErrTooDeep.
func Parse(document []byte) (Value, error) {
	text, ok := decode(document)
	if !ok {
		return Value{}, ErrUnreadable
	}
	p := parser{text: text}
	p.skipBlanks()
	value, err := p.value(0)
	if err != nil {
		return Value{}, err
	}
	if p.skipBlanks(); p.at < len(p.text) {
		return Value{}, p.fail("Extra data", p.at)
	}
	return value, nil
}

type parser struct {
	text string
	at   int // in bytes
}

// fail makes the error for a place given in bytes.
func (p *parser) fail(message string, at int) error {
	return &SyntaxError{Message: message, Offset: utf8.RuneCountInString(p.text[:at])}
}

func (p *parser) skipBlanks() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// next tells whether the next byte is c.
func (p *parser) next(c byte) bool { return p.at < len(p.text) && p.text[p.at] == c }

// literals are the values that are words.
var literals = []struct {
	word string
	kind Kind
}{
	{"null", Null}, {"true", Boolean}, {"false", Boolean},
	{"NaN", Float}, {"Infinity", Float}, {"-Infinity", Float},
}

func (p *parser) value(depth int) (Value, error) {
	if depth > MaxDepth {
		return Value{}, ErrTooDeep
	}
	switch {
	case p.next('"'):
		text, err := p.str()
		return Value{kind: String, text: text}, err
	case p.next('{'):
		return p.object(depth)
	case p.next('['):
		return p.array(depth)
	}
	for _, l := range literals {
		if strings.HasPrefix(p.text[p.at:], l.word) {
			p.at += len(l.word)
			return Value{kind: l.kind, text: l.word}, nil
		}
	}
	return p.number()
}

func (p *parser) array(depth int) (Value, error) {
	inner := &container{}
	v := Value{kind: Array, inner: inner}
	p.at++
	if p.skipBlanks(); p.next(']') {
		p.at++
		return v, nil
	}
	for {
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		inner.items = append(inner.items, item)
		p.skipBlanks()
		if p.next(']') {
			p.at++
			return v, nil
		}
		if !p.next(',') {
			return v, p.fail("Expecting ',' delimiter", p.at)
		}
		p.at++
		p.skipBlanks()
	}
}

func (p *parser) object(depth int) (Value, error) {
	inner := &container{}
	v := Value{kind: Object, inner: inner}
	p.at++
	if p.skipBlanks(); p.next('}') {
		p.at++
		return v, nil
	}
	for {
		key, err := p.key()
		if err != nil {
			return v, err
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		inner.set(key, item)
		p.skipBlanks()
		if p.next('}') {
			p.at++
			return v, nil
		}
		if !p.next(',') {
			return v, p.fail("Expecting ',' delimiter", p.at)
		}
		p.at++
		p.skipBlanks()
	}
}

// key reads a key, the colon after it and the blanks around that.
func (p *parser) key() (string, error) {
	if !p.next('"') {
		return "", p.fail("Expecting property name enclosed in double quotes", p.at)
	}
	key, err := p.str()
	if err != nil {
		return "", err
	}
	if p.skipBlanks(); !p.next(':') {
		return "", p.fail("Expecting ':' delimiter", p.at)
	}
	p.at++
	p.skipBlanks()
	return key, nil
}

// number reads the longest prefix that is a number: 012 is 0, followed by something else.
func (p *parser) number() (Value, error) {
	start := p.at
	end := start
	if p.next('-') {
		end++
	}
	first := end
	if end = p.digits(end); end == first {
		return Value{}, p.fail("Expecting value", start)
	}
	if p.text[first] == '0' {
		end = first + 1
	}
	kind, digits := Integer, end-first
	if end < len(p.text) && p.text[end] == '.' {
		if fraction := p.digits(end + 1); fraction > end+1 {
			kind, end = Float, fraction
		}
	}
	if end < len(p.text) && (p.text[end] == 'e' || p.text[end] == 'E') {
		from := end + 1
		if from < len(p.text) && (p.text[from] == '+' || p.text[from] == '-') {
			from++
		}
		if exponent := p.digits(from); exponent > from {
			kind, end = Float, exponent
		}
	}
	if kind == Integer && digits > MaxDigits {
		return Value{}, ErrUnreadable
	}
	p.at = end
	return Value{kind: kind, text: p.text[start:end]}, nil
}

// digits returns where the run of decimal digits ends that begins at from.
func (p *parser) digits(from int) int {
	for from < len(p.text) && p.text[from] >= '0' && p.text[from] <= '9' {
		from++
	}
	return from
}
