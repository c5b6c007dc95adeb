package jinja

// What may follow a primary expression: members, subscripts, calls, filters and tests.

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
