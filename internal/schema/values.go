package schema

import "npinf/internal/pyjson"

// Values are the checked fields of an object, by their camelCase names. A field that is absent
// or null has its default, else the zero value of the type asked for.
type Values map[string]any

func get[T any](v Values, name string) T {
	value, _ := v[name].(T)
	return value
}

func pointer[T any](v Values, name string) *T {
	if value, ok := v[name].(T); ok {
		return &value
	}
	return nil
}

// Text returns the field of type Text, Choice or Integer.Literal.
func (v Values) Text(name string) string { return get[string](v, name) }

// OptionalText returns the field of type Text, nil where it is absent.
func (v Values) OptionalText(name string) *string { return pointer[string](v, name) }

// Integer returns the field of type Integer. Integers beyond the range of an int are its ends.
func (v Values) Integer(name string) int { return get[int](v, name) }

// OptionalInteger returns the field of type Integer, nil where it is absent.
func (v Values) OptionalInteger(name string) *int { return pointer[int](v, name) }

// Number returns the field of type Number.
func (v Values) Number(name string) float64 { return get[float64](v, name) }

// Boolean returns the field of type Boolean.
func (v Values) Boolean(name string) bool { return get[bool](v, name) }

// OptionalBoolean returns the field of type Boolean, nil where it is absent.
func (v Values) OptionalBoolean(name string) *bool { return pointer[bool](v, name) }

// Texts returns the field of type List(Text), List(Choice) or List(Integer.Literal).
func (v Values) Texts(name string) []string { return get[[]string](v, name) }

// Integers returns the field of type List(Integer).
func (v Values) Integers(name string) []int { return get[[]int](v, name) }

// Numbers returns the field of type List(Number): nil where it is absent, never nil for a list.
func (v Values) Numbers(name string) []float64 { return get[[]float64](v, name) }

// Object returns the field of type Nested, nil where it is absent.
func (v Values) Object(name string) Values { return get[Values](v, name) }

// Objects returns the field of type List(Nested): nil where it is absent.
func (v Values) Objects(name string) []Values { return get[[]Values](v, name) }

// Dictionary returns the field of type Dictionary.
func (v Values) Dictionary(name string) pyjson.Value { return get[pyjson.Value](v, name) }
