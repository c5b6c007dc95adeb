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

// functionBody parses a body in which the loops outside do not count.
func (p *parser) functionBody(end string) []statement {
	loops := p.loops
	p.loops = 0
	body := p.block(end)
	p.loops = loops
	return body
}

func (p *parser) choice() statement {
	c := &choice{}
	for {
		c.conditions = append(c.conditions, p.tuple(false))
		p.endTag()
		body, end := p.body("elif", "else", "endif")
		c.branches = append(c.branches, body)
		switch end {
		case "elif":
			continue
		case "else":
			p.endTag()
			c.otherwise = p.block("endif")
		default:
			p.endTag()
		}
		return c
	}
}

func (p *parser) forLoop() statement {
	f := &forLoop{target: p.targets(false)}
	p.expectName("in")
	f.iterable = p.tuple(false)
	if p.skipName("if") {
		f.condition = p.expression()
	}
	if p.skipName("recursive") {
		p.fail("recursive loops are not supported in chat templates")
	}
	p.endTag()
	p.loops++
	body, end := p.body("else", "endfor")
	p.loops--
	f.body = body
	p.endTag()
	if end == "else" {
		f.otherwise = p.block("endfor")
	}
	return f
}

func (p *parser) set() statement {
	to := p.targets(true)
	if p.skip("=") {
		value := p.tuple(true)
		p.endTag()
		return &assignment{to, value}
	}
	var filters []*filter
	if p.skip("|") {
		filters = p.filterChain()
	}
	p.endTag()
	return &blockAssignment{to, filters, p.block("endset")}
}

// filterChain parses name(arguments)|name…, the filters of a block.
func (p *parser) filterChain() []*filter {
	filters := []*filter{p.filter(nil)}
	for p.skip("|") {
		filters = append(filters, p.filter(nil))
	}
	return filters
}

func (p *parser) with() statement {
	w := &with{}
	for !p.at(endToken, "") {
		if len(w.targets) > 0 {
			p.expect(",")
		}
		w.targets = append(w.targets, p.singleTarget(false))
		p.expect("=")
		w.values = append(w.values, p.expression())
	}
	p.endTag()
	w.body = p.block("endwith")
	return w
}

func (p *parser) macro() statement {
	d := &macroDefinition{name: p.name()}
	p.mentions = append(p.mentions, map[string]bool{})
	p.expect("(")
	p.parameters(d)
	p.endTag()
	p.finishMacro(d, "endmacro")
	return &macroStatement{d}
}

func (p *parser) callBlock() statement {
	caller := &macroDefinition{name: "caller"}
	p.mentions = append(p.mentions, map[string]bool{})
	if p.skip("(") {
		p.parameters(caller)
	}
	target, ok := p.unary(false).(*call)
	if !ok {
		p.fail("expected call")
	}
	p.endTag()
	p.finishMacro(caller, "endcall")
	return &callBlock{target, caller}
}

// finishMacro parses a macro's body and notes which of the special names it mentions.
func (p *parser) finishMacro(d *macroDefinition, end string) {
	d.body = p.functionBody(end)
	last := len(p.mentions) - 1
	mentioned := p.mentions[last]
	p.mentions = p.mentions[:last]
	for word := range mentioned {
		p.mentions[last-1][word] = true
	}
	for _, parameter := range d.parameters {
		delete(mentioned, parameter.name)
	}
	d.usesVarargs, d.usesKwargs, d.usesCaller = mentioned["varargs"], mentioned["kwargs"], mentioned["caller"]
}

// parameters parses the parameters of a macro up to and with the closing parenthesis.
func (p *parser) parameters(d *macroDefinition) {
	for !p.skip(")") {
		if len(d.parameters) > 0 {
			p.expect(",")
		}
		one := parameter{name: p.name()}
		if p.skip("=") {
			one.fallback = p.expression()
		} else if n := len(d.parameters); n > 0 && d.parameters[n-1].fallback != nil {
			p.fail("non-default argument follows default argument")
		}
		d.parameters = append(d.parameters, one)
	}
}

// targets parses one target or several separated by commas, with parentheses or without.
// attributes says that namespace attributes may be among them.
func (p *parser) targets(attributes bool) target {
	first := p.singleTarget(attributes)
	if !p.at(operatorToken, ",") {
		return first
	}
	all := target{parts: []target{first}}
	for p.skip(",") {
		if !p.at(nameToken, "") && !p.at(operatorToken, "(") {
			break
		}
		all.parts = append(all.parts, p.singleTarget(attributes))
	}
	return all
}

// reserved are the names that cannot be assigned to.
var reserved = map[string]bool{"true": true, "false": true, "none": true, "True": true, "False": true, "None": true}

func (p *parser) singleTarget(attributes bool) target {
	if p.skip("(") {
		p.enter()
		defer p.leave()
		inner := p.targets(attributes)
		p.expect(")")
		return inner
	}
	t := target{name: p.name()}
	if reserved[t.name] {
		p.fail("can't assign to '%s'", t.name)
	}
	if attributes && p.skip(".") {
		t.attribute = p.name()
	}
	return t
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
