package server

import (
	"math"
	"strconv"

	"npinf/internal/pyjson"
)

// encoder builds an answer: compact JSON whose numbers are spelled as Python spells them. It
// is written by hand because answers are mostly long arrays of numbers. A NaN or infinity,
// which JSON cannot hold, is remembered in nonFinite.
type encoder struct {
	json      []byte
	comma     bool // something stands in front of the next value
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
	}
	e.comma = true
}

// key writes the key of the next value, which is plain ASCII.
func (e *encoder) key(name string) *encoder {
	e.separate()
	e.json = append(append(append(e.json, '"'), name...), '"', ':')
	e.comma = false
	return e
}

func (e *encoder) null() {
	e.separate()
	e.json = append(e.json, "null"...)
}

func (e *encoder) text(s string) {
	e.separate()
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
