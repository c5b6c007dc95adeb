package jinja

// The grammar of expressions, loosest binding first: conditional, or, and, not, comparison,
// + and -, ~, * / // %, **, unary + and -, then postfixes, filters and tests.

// tuple parses one expression, or a tuple without parentheses. conditionals says whether an
// "if" belongs to the expression (it does not in the head of a loop).
func (p *parser) tuple(conditionals bool) expression {
	one := p.or
	if conditionals {
		one = p.expression
	}
	first := one()
	if !p.at(operatorToken, ",") {
		return first
	}
	items := []expression{first}
	for p.skip(",") {
		if p.at(endToken, "") || p.at(operatorToken, ")") || p.at(operatorToken, "]") || p.at(operatorToken, "=") {
			break
		}
		items = append(items, one())
	}
	return &sequence{items, true}
}

func (p *parser) expression() expression {
	p.enter()
	defer p.leave()
	e := p.or()
	for p.skipName("if") {
		c := &conditional{then: e, condition: p.or()}
		if p.skipName("else") {
			c.otherwise = p.expression()
		}
		e = c
	}
	return e
}

func (p *parser) or() expression {
	e := p.and()
	for p.skipName("or") {
		e = &logical{"or", e, p.and()}
	}
	return e
}

func (p *parser) and() expression {
	e := p.not()
	for p.skipName("and") {
		e = &logical{"and", e, p.not()}
	}
	return e
}

func (p *parser) not() expression {
	if !p.skipName("not") {
		return p.comparison()
	}
	p.enter()
	defer p.leave()
	return &unary{"not", p.not()}
}

func (p *parser) comparison() expression {
	c := &comparison{first: p.sum()}
	for {
		operator := p.comparisonOperator()
		if operator == "" {
			break
		}
		c.operators = append(c.operators, operator)
		c.others = append(c.others, p.sum())
	}
	if len(c.operators) == 0 {
		return c.first
	}
	return c
}

func (p *parser) comparisonOperator() string {
	for _, operator := range []string{"==", "!=", "<", "<=", ">", ">="} {
		if p.skip(operator) {
			return operator
		}
	}
	if p.skipName("in") {
		return "in"
	}
	if p.at(nameToken, "not") && p.tokens[p.position+1].text == "in" && p.tokens[p.position+1].kind == nameToken {
		p.position += 2
		return "not in"
	}
	return ""
}

// leftAssociative parses operands joined by operators of one precedence.
func (p *parser) leftAssociative(operand func() expression, operators ...string) expression {
	e := operand()
	for {
		operator := ""
		for _, candidate := range operators {
			if p.skip(candidate) {
				operator = candidate
				break
			}
		}
		if operator == "" {
			return e
		}
		e = &binary{operator, e, operand()}
	}
}

func (p *parser) sum() expression { return p.leftAssociative(p.concatenation, "+", "-") }

func (p *parser) concatenation() expression { return p.leftAssociative(p.product, "~") }

func (p *parser) product() expression { return p.leftAssociative(p.power, "*", "/", "//", "%") }

func (p *parser) power() expression {
	return p.leftAssociative(func() expression { return p.unary(true) }, "**")
}

// unary parses a sign or a primary with its postfixes; filters says whether filters and
// tests may follow, which bind tighter than any operator, but looser than a sign.
func (p *parser) unary(filters bool) expression {
	p.enter()
	defer p.leave()
	var e expression
	switch {
	case p.skip("-"):
		e = &unary{"-", p.unary(false)}
	case p.skip("+"):
		e = &unary{"+", p.unary(false)}
	default:
		e = p.primary()
	}
	e = p.postfix(e)
	if filters {
		e = p.filtersAndTests(e)
	}
	return e
}

var constants = map[string]Value{"true": true, "True": true, "false": false, "False": false, "none": nil, "None": nil}

func (p *parser) primary() expression {
	t := p.advance()
	switch {
	case t.kind == nameToken:
		if value, ok := constants[t.text]; ok {
			return &literal{value}
		}
		p.mentions[len(p.mentions)-1][t.text] = true
		return &name{t.text}
	case t.kind == textToken:
		joined := t.text
		for p.at(textToken, "") {
			joined += p.advance().text
		}
		return &literal{joined}
	case t.kind == integerToken || t.kind == floatToken:
		return &literal{t.value}
	case t.kind == operatorToken && t.text == "(":
		return p.parenthesis()
	case t.kind == operatorToken && t.text == "[":
		return &sequence{p.items("]"), false}
	case t.kind == operatorToken && t.text == "{":
		return p.dictionary()
	}
	if t.kind != endToken {
		p.position--
	}
	p.fail("unexpected %s", p.describe())
	return nil
}

func (p *parser) parenthesis() expression {
	if p.skip(")") {
		return &sequence{nil, true}
	}
	e := p.tuple(true)
	p.expect(")")
	return e
}

// items parses expressions separated by commas up to and with the closing bracket.
func (p *parser) items(end string) []expression {
	var items []expression
	for !p.skip(end) {
		if len(items) > 0 {
			p.expect(",")
			if p.skip(end) {
				break
			}
		}
		items = append(items, p.expression())
	}
	return items
}

func (p *parser) dictionary() expression {
	d := &dictionary{}
	for !p.skip("}") {
		if len(d.keys) > 0 {
			p.expect(",")
			if p.skip("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expression())
		p.expect(":")
		d.values = append(d.values, p.expression())
	}
	return d
}

func (p *parser) postfix(e expression) expression {
	for {
		switch {
		case p.skip("."):
			e = p.member(e)
		case p.skip("["):
			e = p.subscript(e)
		case p.skip("("):
			e = &call{e, p.arguments()}
		default:
			return e
		}
	}
}

// member parses what follows a dot: a name, or an index such as pair.0.
func (p *parser) member(object expression) expression {
	if p.at(integerToken, "") {
		return &subscript{object, &literal{p.advance().value}}
	}
	return &attribute{object, p.name()}
}

func (p *parser) subscript(object expression) expression {
	item := p.sliceOrIndex(object)
	if !p.at(operatorToken, ",") {
		p.expect("]")
		return item
	}
	index, ok := item.(*subscript)
	if !ok {
		p.fail("a slice cannot be part of a tuple")
	}
	items := []expression{index.index}
	for p.skip(",") {
		items = append(items, p.expression())
	}
	p.expect("]")
	return &subscript{object, &sequence{items, true}}
}

func (p *parser) sliceOrIndex(object expression) expression {
	absent := func() bool {
		return p.at(operatorToken, ":") || p.at(operatorToken, "]") || p.at(operatorToken, ",")
	}
	cut := &slice{object: object}
	if !p.at(operatorToken, ":") {
		cut.start = p.expression()
		if !p.at(operatorToken, ":") {
			return &subscript{object, cut.start}
		}
	}
	p.expect(":")
	if !absent() {
		cut.stop = p.expression()
	}
	if p.skip(":") && !absent() {
		cut.step = p.expression()
	}
	return cut
}

// arguments parses the arguments of a call up to and with the closing parenthesis.
func (p *parser) arguments() argumentList {
	var list argumentList
	for first := true; !p.skip(")"); first = false {
		if !first {
			p.expect(",")
			if p.skip(")") {
				break
			}
		}
		p.argument(&list)
	}
	return list
}

func (p *parser) argument(list *argumentList) {
	switch {
	case p.skip("**"):
		if list.spreadDict != nil {
			p.fail("invalid syntax for function call expression: a second **")
		}
		list.spreadDict = p.expression()
	case p.skip("*"):
		if list.spread != nil || list.spreadDict != nil {
			p.fail("invalid syntax for function call expression: a late or second *")
		}
		list.spread = p.expression()
	case p.at(nameToken, "") && p.tokens[p.position+1].kind == operatorToken && p.tokens[p.position+1].text == "=":
		keyword := keywordExpression{name: p.advance().text}
		p.advance()
		keyword.value = p.expression()
		list.keywords = append(list.keywords, keyword)
	default:
		if len(list.keywords) > 0 || list.spread != nil || list.spreadDict != nil {
			p.fail("invalid syntax for function call expression: positional argument behind a keyword")
		}
		list.positional = append(list.positional, p.expression())
	}
}

func (p *parser) filtersAndTests(e expression) expression {
	for {
		switch {
		case p.skip("|"):
			e = p.filter(e)
		case p.skipName("is"):
			e = p.test(e)
		case p.skip("("): // a call of what a filter returned
			e = &call{e, p.arguments()}
		default:
			return e
		}
	}
}

func (p *parser) dottedName() string {
	word := p.name()
	for p.skip(".") {
		word += "." + p.name()
	}
	return word
}

func (p *parser) filter(subject expression) *filter {
	f := &filter{subject: subject, name: p.dottedName()}
	if p.skip("(") {
		f.arguments = p.arguments()
	}
	return f
}

// test parses what follows "is". A single argument needs no parentheses.
func (p *parser) test(subject expression) expression {
	t := &test{subject: subject, negated: p.skipName("not"), name: p.dottedName()}
	current := p.current()
	switch {
	case p.skip("("):
		t.arguments = p.arguments()
	case current.kind == nameToken && (current.text == "else" || current.text == "or" || current.text == "and"):
	case current.kind == nameToken && current.text == "is":
		p.fail("You cannot chain multiple tests with is")
	case current.kind == nameToken, current.kind == textToken, current.kind == integerToken, current.kind == floatToken,
		current.kind == operatorToken && (current.text == "[" || current.text == "{"):
		t.arguments.positional = []expression{p.postfix(p.primary())}
	}
	return t
}
