package sae

import (
	"fmt"
	"math"
	"strings"
)

// options reads typed values out of a configuration; where names the file in errors. The
// first error is kept.
type options struct {
	values map[string]any
	where  string
	err    error
}

func (o *options) fail(key, format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf("%s: %s %s", o.where, key, fmt.Sprintf(format, args...))
	}
}

// get looks up a dotted key such as "trainer.k".
func (o *options) get(key string) (any, bool) {
	values := o.values
	parts := strings.Split(key, ".")
	for _, part := range parts[:len(parts)-1] {
		values, _ = values[part].(map[string]any)
	}
	value, found := values[parts[len(parts)-1]]
	return value, found
}

func (o *options) has(key string) bool {
	value, _ := o.get(key)
	return value != nil
}

// number reads a number that must be there.
func (o *options) number(key string) float64 {
	value, found := o.get(key)
	switch v := value.(type) {
	case float64:
		return v
	case int:
		return float64(v)
	}
	if !found {
		o.fail(key, "is missing")
	} else {
		o.fail(key, "is %v, want a number", value)
	}
	return 0
}

// integer reads a whole number that must be there.
func (o *options) integer(key string) int {
	value := o.number(key)
	if o.err == nil && (value != math.Trunc(value) || math.Abs(value) > 1<<40) {
		o.fail(key, "is %v, want a whole number", value)
		return 0
	}
	return int(value)
}

// size reads a positive whole number that must be there.
func (o *options) size(key string) int {
	value := o.integer(key)
	if o.err == nil && value <= 0 {
		o.fail(key, "is %d, want a positive number", value)
	}
	return value
}

// text reads a string that must be there.
func (o *options) text(key string) string {
	value, found := o.get(key)
	text, isText := value.(string)
	if !found {
		o.fail(key, "is missing")
	} else if !isText {
		o.fail(key, "is %v, want a string", value)
	}
	return text
}

func (o *options) boolean(key string) bool {
	value, _ := o.get(key)
	truth, isBool := value.(bool)
	if !isBool {
		o.fail(key, "is %v, want true or false", value)
	}
	return truth
}
