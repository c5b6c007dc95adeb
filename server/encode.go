package server

import (
	"math"
	"strconv"

	"npinf/internal/pyjson"
	"npinf/internal/schema"
)

// encoder builds an answer: compact JSON whose numbers are spelled as Python spells them. It
// is written by hand because answers are mostly long arrays of numbers. A NaN or infinity,
// which JSON cannot hold, is remembered in nonFinite.
type encoder struct {
	json      []byte
	comma     bool // something stands in front of the next value
	snake     bool // keys are spelled in snake_case
	spaced    bool // a blank follows commas and colons, and all text is ASCII: Python's json.dumps
	nonFinite bool
}

// begin opens an object or array, end closes it.
func (e *encoder) begin(bracket byte) {
	e.separate()
	e.json = append(e.json, bracket)
	e.comma = false
}

func (e *encoder) end(bracket byte) {
	e.json = append(e.json, bracket)
	e.comma = true
}

func (e *encoder) separate() {
	if e.comma {
		e.json = append(e.json, ',')
		if e.spaced {
			e.json = append(e.json, ' ')
		}
	}
	e.comma = true
}

// key writes the key of the next value, which is plain ASCII, in camelCase or as the client
// wants it.
func (e *encoder) key(name string) *encoder {
	if e.snake {
		name = schema.SnakeCase(name)
	}
	return e.exactKey(name)
}

// exactKey writes a key in this one spelling: one that is data, or that never changes.
func (e *encoder) exactKey(name string) *encoder {
	e.separate()
	e.json = append(append(append(e.json, '"'), name...), '"', ':')
	if e.spaced {
		e.json = append(e.json, ' ')
	}
	e.comma = false
	return e
}

// both writes a key with its value, in snake_case also as the published clients read it: they
// know hookName and activeFeatures in camelCase only, whatever the other keys.
func (e *encoder) both(name string, value func()) {
	e.key(name)
	value()
	if e.snake {
		e.exactKey(name)
		value()
	}
}

func (e *encoder) null() {
	e.separate()
	e.json = append(e.json, "null"...)
}

func (e *encoder) text(s string) {
	e.separate()
	if e.spaced {
		e.json = pyjson.AppendASCII(e.json, s)
		return
	}
	e.json = pyjson.AppendString(e.json, s)
}

func (e *encoder) boolean(b bool) {
	e.separate()
	e.json = strconv.AppendBool(e.json, b)
}

func (e *encoder) integer(n int) {
	e.separate()
	e.json = strconv.AppendInt(e.json, int64(n), 10)
}

// literal writes the digits of an integer.
func (e *encoder) literal(digits string) {
	e.separate()
	e.json = append(e.json, digits...)
}

func (e *encoder) number(f float64) {
	e.separate()
	e.nonFinite = e.nonFinite || math.IsNaN(f) || math.IsInf(f, 0)
	e.json = pyjson.AppendFloat(e.json, f)
}

// optional writes a text, or null where there is none.
func (e *encoder) optional(s *string) {
	if s == nil {
		e.null()
		return
	}
	e.text(*s)
}

// array writes the elements of a list with a method of the encoder.
func array[T any](e *encoder, list []T, element func(T)) {
	e.begin('[')
	for _, item := range list {
		element(item)
	}
	e.end(']')
}

func (e *encoder) texts(list []string)      { array(e, list, e.text) }
func (e *encoder) booleans(list []bool)     { array(e, list, e.boolean) }
func (e *encoder) integers(list []int)      { array(e, list, e.integer) }
func (e *encoder) numbers(list []float64)   { array(e, list, e.number) }
func (e *encoder) numbers32(list []float32) { array(e, list, e.number32) }

// number32 writes a float32 with the digits of the same number as a float64.
func (e *encoder) number32(f float32) { e.number(float64(f)) }
