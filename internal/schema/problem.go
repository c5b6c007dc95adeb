package schema

import (
	"strconv"

	"npinf/internal/pyjson"
)

// MaxProblems is how many problems one check reports; a body of millions of wrong elements
// shall not make an answer of gigabytes.
const MaxProblems = 1000

// Problem is one entry of a 422 body.
type Problem struct {
	kind    string
	where   []byte // JSON elements, "body" first
	message string
	input   pyjson.Value
	context string // JSON, "" for none
}

// AppendDetail writes {"detail": […]} with the problems.
func AppendDetail(b []byte, problems []Problem) []byte {
	b = append(b, `{"detail":[`...)
	for i, p := range problems {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":"`...)
		b = append(b, p.kind...)
		b = append(b, `","loc":[`...)
		b = append(b, p.where...)
		b = append(b, `],"msg":`...)
		b = pyjson.AppendString(b, p.message)
		b = append(b, `,"input":`...)
		b = pyjson.Append(b, p.input)
		if p.context != "" {
			b = append(b, `,"ctx":`...)
			b = append(b, p.context...)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// MissingBody is the problem of a request without a body, or with the body null.
func MissingBody() Problem {
	return Problem{kind: missing, where: []byte(`"body"`), message: messages[missing]}
}

// InvalidJSON is the problem of a body that stops being JSON at an offset in code points.
func InvalidJSON(e *pyjson.SyntaxError) Problem {
	empty, _ := pyjson.Parse([]byte("{}"))
	context := append([]byte(`{"error":`), pyjson.AppendString(nil, e.Message)...)
	return Problem{
		kind: "json_invalid", message: "JSON decode error", input: empty, context: string(append(context, '}')),
		where: strconv.AppendInt([]byte(`"body",`), int64(e.Offset), 10),
	}
}

// location is where a value stands in the body: a chain up to the body itself.
type location struct {
	parent *location
	key    string // of a member
	index  int    // of an element, where key is ""
	member bool
}

func (l *location) at(key string) location { return location{parent: l, key: key, member: true} }
func (l *location) item(i int) location    { return location{parent: l, index: i} }

func (l *location) append(b []byte) []byte {
	if l == nil {
		return append(b, `"body"`...)
	}
	b = append(l.parent.append(b), ',')
	if l.member {
		return pyjson.AppendString(b, l.key)
	}
	return strconv.AppendInt(b, int64(l.index), 10)
}

const missing = "missing"

// messages are pydantic's words for each type of problem.
var messages = map[string]string{
	missing:                 "Field required",
	"string_type":           "Input should be a valid string",
	"int_type":              "Input should be a valid integer",
	"int_parsing":           "Input should be a valid integer, unable to parse string as an integer",
	"int_parsing_size":      "Unable to parse input string as an integer, exceeded maximum size",
	"int_from_float":        "Input should be a valid integer, got a number with a fractional part",
	"finite_number":         "Input should be a finite number",
	"float_type":            "Input should be a valid number",
	"float_parsing":         "Input should be a valid number, unable to parse string as a number",
	"bool_type":             "Input should be a valid boolean",
	"bool_parsing":          "Input should be a valid boolean, unable to interpret input",
	"list_type":             "Input should be a valid list",
	"dict_type":             "Input should be a valid dictionary",
	"model_attributes_type": "Input should be a valid dictionary or object to extract fields from",
}
