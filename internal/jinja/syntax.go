package jinja

// The syntax tree. A node is immutable and shared by all renders of its template; what it
// does stands in evaluate.go and execute.go.

// expression is a node with a value.
type expression interface {
	evaluate(m *machine, s *scope) Value
}

type (
	literal struct{ value Value }
	name    struct{ name string }

	// sequence is a list or tuple display.
	sequence struct {
		items []expression
		tuple bool
	}
	dictionary struct{ keys, values []expression }

	// attribute is object.name.
	attribute struct {
		object expression
		name   string
	}
	// subscript is object[index].
	subscript struct{ object, index expression }
	// slice is object[start:stop:step]; an absent part is nil.
	slice struct{ object, start, stop, step expression }

	call struct {
		function  expression
		arguments argumentList
	}
	// filter is subject|name(arguments); subject is nil in a filter block.
	filter struct {
		subject   expression
		name      string
		arguments argumentList
	}
	// test is subject is [not] name(arguments).
	test struct {
		subject   expression
		name      string
		arguments argumentList
		negated   bool
	}

	unary struct { // "-", "+" or "not"
		operator string
		operand  expression
	}
	binary struct { // an arithmetic operator or "~"
		operator    string
		left, right expression
	}
	logical struct { // "and" or "or"
		operator    string
		left, right expression
	}
	// comparison is a chain: first < others[0] == others[1] …
	comparison struct {
		first     expression
		operators []string
		others    []expression
	}
	// conditional is then if condition else otherwise; otherwise may be nil.
	conditional struct{ condition, then, otherwise expression }
)

// argumentList is what stands between the parentheses of a call.
type argumentList struct {
	positional []expression
	keywords   []keywordExpression
	spread     expression // *sequence, or nil
	spreadDict expression // **mapping, or nil
}

type keywordExpression struct {
	name  string
	value expression
}

// statement is a node that does something.
type statement interface {
	execute(m *machine, s *scope) signal
}

// signal says how a statement ended.
type signal int

const (
	proceed signal = iota
	leaveLoop
	nextIteration
)

type (
	text   struct{ text string }
	output struct{ value expression }

	// choice is if, elif and else.
	choice struct {
		conditions []expression
		branches   [][]statement
		otherwise  []statement
	}
	forLoop struct {
		target    target
		iterable  expression
		condition expression // of "for … if condition", or nil
		body      []statement
		otherwise []statement
	}
	jump       struct{ signal signal } // break or continue
	assignment struct {
		target target
		value  expression
	}
	// blockAssignment is {% set name %}…{% endset %}.
	blockAssignment struct {
		target  target
		filters []*filter
		body    []statement
	}
	with struct {
		targets []target
		values  []expression
		body    []statement
	}
	macroStatement struct{ definition *macroDefinition }
	// callBlock calls a macro with its body as caller().
	callBlock struct {
		call   *call
		caller *macroDefinition
	}
	filterBlock struct {
		filters []*filter
		body    []statement
	}
	// group is a body with a scope of its own: {% generation %}.
	group struct{ body []statement }
)

// target is what an assignment writes to: a name, an attribute of a namespace, or several.
type target struct {
	name      string
	attribute string   // of the namespace called name, or ""
	parts     []target // of a tuple, or nil
}

// macroDefinition is a macro, or the body of a call block.
type macroDefinition struct {
	name       string
	parameters []parameter
	body       []statement
	// Whether the body mentions the special names; only then does a macro take what they hold.
	usesVarargs, usesKwargs, usesCaller bool
}

type parameter struct {
	name     string
	fallback expression // nil for none
}
