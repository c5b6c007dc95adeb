package jinja

import (
	"regexp"
	"strings"
	"unicode"
)

// A template is cut into text, output tags {{ }}, statement tags {% %} and comments {# #}.
// Whitespace is settled here: "-" in a tag strips all of it on that side, a statement tag or
// comment takes the newline behind it (trim_blocks) and the blanks before it on its line
// (lstrip_blocks), and "+" declines either.

// segmentKind tells a piece of a template.
type segmentKind int

const (
	textSegment segmentKind = iota
	outputSegment
	statementSegment
)

// segment is a piece of text, or the tokens of a tag.
type segment struct {
	kind   segmentKind
	text   string
	tokens []token
	line   int
}

// segmenter walks through a source.
type segmenter struct {
	source    string
	position  int
	line      int  // of position
	lineStart bool // the last thing consumed ended with a newline, or nothing was yet
	segments  []segment
}

var (
	newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*(-%\}\s*|%\})`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*(\+%\}|-%\}\s*|%\}\n?)`)
)

// segments cuts a source. One trailing newline does not belong to the template.
func segments(source string) []segment {
	source = strings.TrimSuffix(newlines.Replace(source), "\n")
	s := &segmenter{source: source, line: 1, lineStart: true}
	for s.position < len(s.source) {
		s.next()
	}
	return s.segments
}

// next consumes the text up to the next tag, and the tag.
func (s *segmenter) next() {
	rest := s.source[s.position:]
	at := tagStart(rest)
	if at < 0 {
		s.addText(rest)
		s.advance(len(rest))
		return
	}
	tag := rest[at:]
	sign := byte(0)
	if len(tag) > 2 && (tag[2] == '-' || tag[2] == '+') {
		sign = tag[2]
	}
	s.addText(s.stripBefore(rest[:at], sign, tag[1] != '{'))
	s.advance(at)
	switch tag[1] {
	case '#':
		s.comment(tag)
	case '%':
		if begin := rawBegin.FindString(tag); begin != "" {
			s.raw(begin)
			return
		}
		s.tag(statementSegment, sign)
	default:
		s.tag(outputSegment, sign)
	}
}

// tagStart returns where the first tag begins, -1 if there is none.
func tagStart(text string) int {
	for from := 0; ; {
		at := strings.IndexByte(text[from:], '{')
		if at < 0 || from+at+1 >= len(text) {
			return -1
		}
		at += from
		if c := text[at+1]; c == '{' || c == '%' || c == '#' {
			return at
		}
		from = at + 1
	}
}

// stripBefore applies the whitespace rules to the text in front of a tag. block says that
// lstrip_blocks holds for the tag.
func (s *segmenter) stripBefore(text string, sign byte, block bool) string {
	if sign == '-' {
		return strings.TrimRightFunc(text, IsSpace)
	}
	if sign == '+' || !block {
		return text
	}
	lineAt := strings.LastIndexByte(text, '\n') + 1
	if (lineAt > 0 || s.lineStart) && strings.TrimLeftFunc(text[lineAt:], IsSpace) == "" {
		return text[:lineAt]
	}
	return text
}

func (s *segmenter) addText(text string) {
	if text != "" {
		s.segments = append(s.segments, segment{kind: textSegment, text: text, line: s.line})
	}
}

func (s *segmenter) advance(n int) {
	consumed := s.source[s.position : s.position+n]
	s.line += strings.Count(consumed, "\n")
	s.position += n
	if n > 0 {
		s.lineStart = strings.HasSuffix(consumed, "\n")
	}
}

func (s *segmenter) comment(tag string) {
	end := strings.Index(tag[2:], "#}")
	if end < 0 {
		throwSyntax(s.line, "missing end of comment tag")
	}
	end += 4
	switch tag[end-3] {
	case '-':
		end += leadingSpace(tag[end:])
	case '+':
	default:
		end += leadingNewline(tag[end:])
	}
	s.advance(end)
}

// raw consumes a raw block, whose content is text whatever it looks like.
func (s *segmenter) raw(begin string) {
	line := s.line
	s.advance(len(begin))
	rest := s.source[s.position:]
	at := rawEnd.FindStringSubmatchIndex(rest)
	if at == nil {
		throwSyntax(line, "missing end of raw directive")
	}
	sign := byte(0)
	if at[3] > at[2] {
		sign = rest[at[2]]
	}
	s.addText(s.stripBefore(rest[:at[0]], sign, true))
	s.advance(at[1])
}

// tag consumes an output or statement tag with its tokens.
func (s *segmenter) tag(kind segmentKind, sign byte) {
	line := s.line
	s.advance(2)
	if sign != 0 {
		s.advance(1)
	}
	l := &lexer{source: s.source[s.position:], line: line, statement: kind == statementSegment}
	tokens := l.run()
	s.segments = append(s.segments, segment{kind: kind, tokens: tokens, line: line})
	s.advance(l.position)
}

func leadingSpace(text string) int {
	return len(text) - len(strings.TrimLeftFunc(text, IsSpace))
}

func leadingNewline(text string) int {
	if strings.HasPrefix(text, "\n") {
		return 1
	}
	return 0
}

// IsSpace is Python's str.isspace for one character: Unicode's white space and the four
// separators of ASCII. str.strip() drops these.
func IsSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func throwSyntax(line int, message string) {
	panic(thrown{&SyntaxError{Message: message, Line: line}})
}
