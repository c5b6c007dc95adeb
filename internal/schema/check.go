package schema

import (
	"fmt"
	"strconv"
	"strings"

	"npinf/internal/pyjson"
)

// Check reads the fields of a body. Without problems the values are complete; with problems
// they are not to be used.
func (m *Model) Check(body pyjson.Value) (Values, []Problem) {
	c := &checker{}
	values := c.object(m, body, nil)
	return values, c.problems
}

// checker collects the problems of one body.
type checker struct{ problems []Problem }

func (c *checker) add(kind string, at *location, input pyjson.Value) {
	c.addWith(kind, messages[kind], "", at, input)
}

func (c *checker) addWith(kind, message, context string, at *location, input pyjson.Value) {
	if len(c.problems) < MaxProblems {
		c.problems = append(c.problems, Problem{kind, at.append(nil), message, input, context})
	}
}

func (c *checker) object(m *Model, v pyjson.Value, at *location) Values {
	if v.Kind() != pyjson.Object {
		c.add("model_attributes_type", at, v)
		return nil
	}
	values := make(Values, len(m.Fields))
	for i, f := range m.Fields {
		spelling := f.Name
		value, found := v.Lookup(spelling)
		if !found && m.snake[i] != "" {
			spelling = m.snake[i]
			value, found = v.Lookup(spelling)
		}
		switch {
		case found:
			where := at.at(spelling)
			if checked := c.value(f.Type, value, &where); checked != nil {
				values[f.Name] = checked
				continue
			}
		case f.Required:
			where := at.at(f.Name)
			c.add(missing, &where, v)
		}
		if f.Default != nil {
			values[f.Name] = f.Default
		}
	}
	return values
}

// value returns the checked value, nil for null and where there is a problem.
func (c *checker) value(t Type, v pyjson.Value, at *location) any {
	if t.nullable && v.Kind() == pyjson.Null {
		return nil
	}
	switch t.kind {
	case list:
		return c.list(t, v, at)
	case object:
		if values := c.object(t.model, v, at); values != nil {
			return values
		}
		return nil
	case dictionary:
		if v.Kind() != pyjson.Object {
			c.add("dict_type", at, v)
			return nil
		}
		return v
	case choice:
		return c.choice(t, v, at)
	}
	checked, problem := scalar(t, v)
	if problem != "" {
		c.add(problem, at, v)
		return nil
	}
	return c.bounded(t, checked, v, at)
}

func (c *checker) list(t Type, v pyjson.Value, at *location) any {
	if v.Kind() != pyjson.Array {
		c.add("list_type", at, v)
		return nil
	}
	items := v.Items()
	if len(items) < t.minItems {
		message := fmt.Sprintf("List should have at least %d item%s after validation, not %d", t.minItems, plural(t.minItems), len(items))
		context := fmt.Sprintf(`{"field_type":"List","min_length":%d,"actual_length":%d}`, t.minItems, len(items))
		c.addWith("too_short", message, context, at, v)
		return nil
	}
	switch t.item.kind {
	case integer:
		if t.item.literal {
			return elements[string](c, t, items, at)
		}
		return elements[int](c, t, items, at)
	case number:
		return elements[float64](c, t, items, at)
	case object:
		return elements[Values](c, t, items, at)
	}
	return elements[string](c, t, items, at)
}

// elements checks the items of a list whose type has values of type T.
func elements[T any](c *checker, t Type, items []pyjson.Value, at *location) []T {
	out := make([]T, len(items))
	for i, item := range items {
		where := at.item(i)
		out[i], _ = c.value(*t.item, item, &where).(T)
	}
	return out
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func (c *checker) choice(t Type, v pyjson.Value, at *location) any {
	for _, word := range t.choices {
		if v.Kind() == pyjson.String && v.Text() == word {
			return word
		}
	}
	quoted := "'" + strings.Join(t.choices, "', '") + "'"
	if last := strings.LastIndex(quoted, ", "); last >= 0 {
		quoted = quoted[:last] + " or " + quoted[last+2:]
	}
	c.addWith("enum", "Input should be "+quoted, `{"expected":`+string(pyjson.AppendString(nil, quoted))+`}`, at, v)
	return nil
}

// bounded checks the limits of a number.
func (c *checker) bounded(t Type, checked any, v pyjson.Value, at *location) any {
	var size float64
	switch n := checked.(type) {
	case int:
		size = float64(n)
	case float64:
		size = n
	default:
		return checked
	}
	// Written so that NaN fails both.
	if t.maximum != nil && !(size <= *t.maximum) {
		c.limit("less_than_equal", "less than or equal to", "le", t, *t.maximum, at, v)
		return nil
	}
	if t.minimum != nil && !(size >= *t.minimum) {
		c.limit("greater_than_equal", "greater than or equal to", "ge", t, *t.minimum, at, v)
		return nil
	}
	return checked
}

func (c *checker) limit(kind, words, key string, t Type, bound float64, at *location, v pyjson.Value) {
	spelled := strconv.FormatFloat(bound, 'f', -1, 64)
	context := spelled
	if t.kind == number {
		context = string(pyjson.AppendFloat(nil, bound))
	}
	c.addWith(kind, "Input should be "+words+" "+spelled, `{"`+key+`":`+context+`}`, at, v)
}
