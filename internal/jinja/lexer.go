package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"npinf/internal/pyrepr"
)

// tokenKind tells a token of an expression or statement.
type tokenKind int

const (
	endToken tokenKind = iota
	nameToken
	textToken     // a string literal; token.text is its value
	integerToken  // token.value is an int64
	floatToken    // token.value is a float64
	operatorToken // token.text is the operator
)

// token is a word of a tag.
type token struct {
	kind  tokenKind
	text  string
	value Value
	line  int
}

// maxTokens is how many tokens a tag may have; the largest of published templates have a few hundred.
const maxTokens = 20_000

// lexer cuts a tag into tokens, up to and with the tag's end. Ends inside brackets do not
// count: {{ {"a": {}} }} is one tag.
type lexer struct {
	source    string
	position  int
	line      int
	statement bool
	tokens    []token
	open      []byte // the brackets that are open
}

// operators lists the operators, longer ones before their prefixes.
var operators = []string{"**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

func (l *lexer) run() []token {
	for {
		l.skipSpace()
		if l.position >= len(l.source) {
			throwSyntax(l.line, "unexpected end of template: a tag is not closed")
		}
		if len(l.open) == 0 {
			if n := l.endOfTag(); n > 0 {
				l.tokens = append(l.tokens, token{kind: endToken, line: l.line})
				l.position += n
				return l.tokens
			}
		}
		l.token()
	}
}

func (l *lexer) rest() string { return l.source[l.position:] }

func (l *lexer) skipSpace() {
	n := leadingSpace(l.rest())
	l.line += strings.Count(l.rest()[:n], "\n")
	l.position += n
}

// endOfTag returns the length of the tag's end at the position with the whitespace it takes
// along, 0 if the tag goes on.
func (l *lexer) endOfTag() int {
	end := "}}"
	if l.statement {
		end = "%}"
	}
	rest := l.rest()
	switch {
	case strings.HasPrefix(rest, "-"+end):
		return 3 + leadingSpace(rest[3:])
	case l.statement && strings.HasPrefix(rest, "+"+end):
		return 3
	case strings.HasPrefix(rest, end):
		if l.statement {
			return 2 + leadingNewline(rest[2:])
		}
		return 2
	}
	return 0
}

func (l *lexer) token() {
	rest := l.rest()
	first, _ := utf8.DecodeRuneInString(rest)
	switch {
	case first == '"' || first == '\'':
		l.text(byte(first))
	case first >= '0' && first <= '9':
		l.number()
	case first == '_' || unicode.IsLetter(first):
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if n < 0 {
			n = len(rest)
		}
		l.emit(token{kind: nameToken, text: rest[:n]}, n)
	default:
		l.operator()
	}
}

func (l *lexer) emit(t token, length int) {
	if len(l.tokens) >= maxTokens {
		throwSyntax(l.line, fmt.Sprintf("a tag has more than %d names, values and operators", maxTokens))
	}
	t.line = l.line
	l.tokens = append(l.tokens, t)
	l.position += length
}

func (l *lexer) operator() {
	for _, operator := range operators {
		if strings.HasPrefix(l.rest(), operator) {
			l.bracket(operator[0])
			l.emit(token{kind: operatorToken, text: operator}, len(operator))
			return
		}
	}
	r, _ := utf8.DecodeRuneInString(l.rest())
	throwSyntax(l.line, fmt.Sprintf("unexpected char %s at %d", pyrepr.Quote(string(r)), l.position))
}

// bracket keeps track of what is open.
func (l *lexer) bracket(c byte) {
	closes := map[byte]byte{')': '(', ']': '[', '}': '{'}
	switch c {
	case '(', '[', '{':
		l.open = append(l.open, c)
	case ')', ']', '}':
		if len(l.open) == 0 {
			throwSyntax(l.line, fmt.Sprintf("unexpected '%c'", c))
		}
		if l.open[len(l.open)-1] != closes[c] {
			throwSyntax(l.line, fmt.Sprintf("unexpected '%c': another bracket is open", c))
		}
		l.open = l.open[:len(l.open)-1]
	}
}

// text reads a string literal.
func (l *lexer) text(quote byte) {
	rest := l.rest()
	for i := 1; i < len(rest); i++ {
		if rest[i] == '\\' {
			i++
		} else if rest[i] == quote {
			value := unescape(rest[1:i], l.line)
			newlines := strings.Count(rest[:i], "\n")
			l.emit(token{kind: textToken, text: value}, i+1)
			l.line += newlines
			return
		}
	}
	throwSyntax(l.line, "unexpected end of template: a string is not closed")
}

// number reads an integer or float literal. Behind a dot it is an index, as in "pair.0.1".
func (l *lexer) number() {
	rest := l.rest()
	n := len(rest) - len(strings.TrimLeft(rest, "0123456789_"))
	afterDot := l.position > 0 && l.source[l.position-1] == '.'
	if prefix := strings.ToLower(rest[:min(2, len(rest))]); prefix == "0x" || prefix == "0b" || prefix == "0o" {
		n = 2 + len(rest[2:]) - len(strings.TrimLeft(rest[2:], "0123456789abcdefABCDEF_"))
	} else if end := floatEnd(rest, n); end > n && !afterDot {
		value, err := strconv.ParseFloat(strings.ReplaceAll(rest[:end], "_", ""), 64)
		if err != nil && !math.IsInf(value, 0) {
			throwSyntax(l.line, "invalid number "+rest[:end])
		}
		l.emit(token{kind: floatToken, value: value}, end)
		return
	}
	digits := strings.ReplaceAll(rest[:n], "_", "")
	base := 10
	if len(digits) > 1 && digits[0] == '0' && digits[1] > '9' {
		base = 0
	}
	value, err := strconv.ParseInt(digits, base, 64)
	if err != nil {
		throwSyntax(l.line, "invalid integer "+rest[:n]+": it is malformed or needs more than 64 bits")
	}
	l.emit(token{kind: integerToken, value: value}, n)
}

// floatEnd returns the end of a float literal whose integer part ends at n, n if it is none.
func floatEnd(text string, n int) int {
	digits := func(from int) int { return len(text) - len(strings.TrimLeft(text[from:], "0123456789_")) }
	end := n
	if end+1 < len(text) && text[end] == '.' && digits(end+1) > end+1 {
		end = digits(end + 1)
	}
	if end < len(text) && (text[end] == 'e' || text[end] == 'E') {
		exponent := end + 1
		if exponent < len(text) && (text[exponent] == '+' || text[exponent] == '-') {
			exponent++
		}
		if stop := digits(exponent); stop > exponent {
			end = stop
		}
	}
	return end
}

// simpleEscapes are the escapes of one letter in Python's string literals.
var simpleEscapes = map[byte]string{'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape resolves the escapes of a string literal as Python does.
func unescape(text string, line int) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); {
		if text[i] != '\\' || i+1 == len(text) {
			out.WriteByte(text[i])
			i++
			continue
		}
		c := text[i+1]
		if simple, ok := simpleEscapes[c]; ok {
			out.WriteString(simple)
			i += 2
			continue
		}
		n := codeEscape(&out, text[i+1:], line)
		if n == 0 { // an unknown escape stands for itself
			out.WriteByte('\\')
		}
		i += 1 + n
	}
	return out.String()
}

// codeEscape writes the character of an escape by number and returns the escape's length
// without the backslash, 0 if it is none.
func codeEscape(out *strings.Builder, text string, line int) int {
	digits, base, from := 0, 16, 1
	switch text[0] {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '0', '1', '2', '3', '4', '5', '6', '7':
		from, base = 0, 8
		digits = len(text[:min(3, len(text))]) - len(strings.TrimLeft(text[:min(3, len(text))], "01234567"))
	default:
		return 0
	}
	if len(text) < from+digits {
		throwSyntax(line, "truncated escape in a string literal")
	}
	code, err := strconv.ParseUint(text[from:from+digits], base, 32)
	if err != nil || code > unicode.MaxRune {
		throwSyntax(line, "invalid escape in a string literal")
	}
	out.WriteRune(rune(code))
	return from + digits
}
