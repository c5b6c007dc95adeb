// Package schema checks request bodies against tables of fields and reports what is wrong as
// FastAPI with pydantic does, so that clients find the 422 bodies they know.
package schema

import "strings"

type kind uint8

const (
	text kind = iota
	integer
	number
	boolean
	choice
	list
	object
	dictionary
)

// Type is what a field may hold. The types of this package are strict: an integer is written
// as one, a number is no text. Their Lax variants convert what pydantic converts.
type Type struct {
	kind     kind
	lax      bool
	literal  bool // of an integer: kept as its digits
	nullable bool
	item     *Type    // of a list
	model    *Model   // of an object
	choices  []string // of a choice
	minItems int      // of a list
	minimum  *float64 // of an integer or number
	maximum  *float64
}

// The simple types.
var (
	Text       = Type{kind: text}
	Integer    = Type{kind: integer}
	Number     = Type{kind: number}
	Boolean    = Type{kind: boolean}
	Dictionary = Type{kind: dictionary} // any object, kept as it is
	LaxInteger = Type{kind: integer, lax: true}
	LaxNumber  = Type{kind: number, lax: true}
	LaxBoolean = Type{kind: boolean, lax: true}
)

// List is a list of items of one type.
func List(item Type) Type { return Type{kind: list, item: &item} }

// Choice is one of a few words.
func Choice(words ...string) Type { return Type{kind: choice, choices: words} }

// Nested is an object with a schema of its own.
func Nested(m *Model) Type { return Type{kind: object, model: m} }

// Nullable also allows null, which counts as absent.
func (t Type) Nullable() Type { t.nullable = true; return t }

// Literal keeps an integer as the text of its digits, because it may be larger than an int.
func (t Type) Literal() Type { t.literal = true; return t }

// AtLeastItems asks for a list of n items or more.
func (t Type) AtLeastItems(n int) Type { t.minItems = n; return t }

// AtLeast asks for a number of at least low.
func (t Type) AtLeast(low float64) Type { t.minimum = &low; return t }

// AtMost asks for a number of at most high.
func (t Type) AtMost(high float64) Type { t.maximum = &high; return t }

// Field is one row of a Model.
type Field struct {
	Name     string // camelCase
	Type     Type
	Required bool
	// Default is the value of an absent or null field, nil for none.
	Default any
	// Extra marks a field the reference does not have; its document does not list it.
	Extra bool
	// CamelOnly rejects the snake_case spelling.
	CamelOnly bool
}

// Required is a field that has to be there.
func Required(name string, t Type) Field { return Field{Name: name, Type: t, Required: true} }

// Optional is a field that may be absent.
func Optional(name string, t Type) Field { return Field{Name: name, Type: t} }

// Defaulted is a field with a value where it is absent.
func Defaulted(name string, t Type, value any) Field {
	return Field{Name: name, Type: t, Default: value}
}

// Model is the schema of an object: its fields, in the order in which errors are reported.
type Model struct {
	Fields []Field
	snake  []string // the other spelling of each field, "" for none
}

// New makes a Model of fields.
func New(fields ...Field) *Model {
	m := &Model{Fields: fields, snake: make([]string, len(fields))}
	for i, f := range fields {
		if snake := SnakeCase(f.Name); snake != f.Name && !f.CamelOnly {
			m.snake[i] = snake
		}
	}
	return m
}

// SnakeCase respells a camelCase name: sortByTokenIndexes is sort_by_token_indexes.
func SnakeCase(name string) string {
	var out strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			out.WriteByte('_')
			c += 'a' - 'A'
		}
		out.WriteRune(c)
	}
	return out.String()
}
