package jinja

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
