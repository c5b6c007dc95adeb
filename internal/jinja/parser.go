package jinja

import "fmt"

// maxNesting bounds how deeply brackets and blocks nest in a source.
const maxNesting = 200

// parser builds the syntax tree from the segments of a source.
type parser struct {
	segments []segment
	index    int     // of the next segment
	tokens   []token // of the tag being read
	position int
	nesting  int
	loops    int // loops around the statement, within the same macro
	mentions []map[string]bool
}

func newParser(source string) *parser {
	return &parser{segments: segments(source), mentions: []map[string]bool{{}}}
}

// template parses the whole source.
func (p *parser) template() []statement {
	body, end := p.body()
	if end != "" {
		p.fail("unexpected tag '%s'", end)
	}
	return body
}

// body parses until a statement tag that begins with one of the words in ends, which it
// returns with the parser behind that word; "" at the end of the source.
func (p *parser) body(ends ...string) ([]statement, string) {
	p.enter()
	defer p.leave()
	var body []statement
	for p.index < len(p.segments) {
		s := p.segments[p.index]
		p.index++
		switch s.kind {
		case textSegment:
			body = append(body, &text{s.text})
			continue
		case outputSegment:
			p.tokens, p.position = s.tokens, 0
			body = append(body, &output{p.tuple(true)})
			p.endTag()
			continue
		}
		p.tokens, p.position = s.tokens, 0
		word := p.name()
		for _, end := range ends {
			if word == end {
				return body, word
			}
		}
		body = append(body, p.statement(word))
	}
	if len(ends) > 0 {
		p.fail("unexpected end of template: looking for '%s'", ends[len(ends)-1])
	}
	return body, ""
}

// block parses a body up to its one possible end tag, and that tag.
func (p *parser) block(end string) []statement {
	body, _ := p.body(end)
	p.endTag()
	return body
}

func (p *parser) statement(word string) statement {
	switch word {
	case "if":
		return p.choice()
	case "for":
		return p.forLoop()
	case "set":
		return p.set()
	case "macro":
		return p.macro()
	case "call":
		return p.callBlock()
	case "filter":
		filters := p.filterChain()
		p.endTag()
		return &filterBlock{filters, p.block("endfilter")}
	case "with":
		return p.with()
	case "generation":
		p.endTag()
		return &group{p.functionBody("endgeneration")}
	case "break", "continue":
		if p.loops == 0 {
			p.fail("'%s' outside loop", word)
		}
		p.endTag()
		if word == "break" {
			return &jump{leaveLoop}
		}
		return &jump{nextIteration}
	case "include", "import", "from", "extends", "block", "autoescape":
		p.fail("tag '%s' is not supported in chat templates", word)
	}
	p.fail("Encountered unknown tag '%s'.", word)
	return nil
}

// The token helpers.

func (p *parser) current() token { return p.tokens[p.position] }

// at reports whether the current token is of a kind, and of a text unless that is "".
func (p *parser) at(kind tokenKind, text string) bool {
	t := p.current()
	return t.kind == kind && (text == "" || t.text == text)
}

func (p *parser) advance() token {
	t := p.current()
	if t.kind != endToken {
		p.position++
	}
	return t
}

func (p *parser) skip(operator string) bool {
	if p.at(operatorToken, operator) {
		p.position++
		return true
	}
	return false
}

func (p *parser) skipName(word string) bool {
	if p.at(nameToken, word) {
		p.position++
		return true
	}
	return false
}

func (p *parser) expect(operator string) {
	if !p.skip(operator) {
		p.fail("expected token '%s', got %s", operator, p.describe())
	}
}

func (p *parser) expectName(word string) {
	if !p.skipName(word) {
		p.fail("expected token '%s', got %s", word, p.describe())
	}
}

func (p *parser) name() string {
	if !p.at(nameToken, "") {
		p.fail("expected a name, got %s", p.describe())
	}
	return p.advance().text
}

func (p *parser) endTag() {
	if !p.at(endToken, "") {
		p.fail("expected the end of the tag, got %s", p.describe())
	}
}

func (p *parser) describe() string {
	switch t := p.current(); t.kind {
	case endToken:
		return "the end of the tag"
	case integerToken, floatToken:
		return fmt.Sprintf("the number %v", t.value)
	default:
		return "'" + t.text + "'"
	}
}

func (p *parser) enter() {
	if p.nesting++; p.nesting > maxNesting {
		p.fail("nested more than %d deep", maxNesting)
	}
}

func (p *parser) leave() { p.nesting-- }

func (p *parser) fail(format string, arguments ...any) {
	line := 0
	if len(p.tokens) > 0 {
		line = p.current().line
	}
	throwSyntax(line, fmt.Sprintf(format, arguments...))
}
