package jinja

import "strings"

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
		var joined strings.Builder
		joined.WriteString(t.text)
		for p.at(textToken, "") {
			joined.WriteString(p.advance().text)
		}
		return &literal{joined.String()}
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
