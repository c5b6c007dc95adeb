package schema

import (
	"math"
	"strconv"
	"strings"

	"npinf/internal/pyjson"
)

// scalar returns the value of a text, integer, number or boolean, or the type of the problem.
func scalar(t Type, v pyjson.Value) (any, string) {
	switch t.kind {
	case text:
		if v.Kind() != pyjson.String {
			return nil, "string_type"
		}
		return v.Text(), ""
	case integer:
		digits, problem := integerDigits(t, v)
		if problem != "" {
			return nil, problem
		}
		if t.literal {
			return digits, ""
		}
		return clamp(digits), ""
	case number:
		if f, ok := strictNumber(v); ok {
			return f, ""
		}
		if t.lax {
			return laxNumber(v)
		}
		return nil, "float_type"
	}
	if v.Kind() == pyjson.Boolean {
		return v.Truth(), ""
	}
	if t.lax {
		return laxBoolean(v)
	}
	return nil, "bool_type"
}

// integerDigits returns an integer as its digits, or the type of the problem.
func integerDigits(t Type, v pyjson.Value) (digits, problem string) {
	switch {
	case v.Kind() == pyjson.Integer:
		return v.Text(), ""
	case t.lax:
		return laxInteger(v)
	}
	return "", "int_type"
}

// clamp reads digits with an optional minus sign. An integer beyond
// the range of an int is the range's end.
func clamp(literal string) int {
	n, _ := strconv.ParseInt(literal, 10, 64) // an error of the range comes with the end as value
	return int(n)
}

// strictNumber accepts floats, and integers that a float can hold at all.
func strictNumber(v pyjson.Value) (float64, bool) {
	switch v.Kind() {
	case pyjson.Float:
		return v.Number(), true
	case pyjson.Integer:
		f := v.Number()
		return f, !math.IsInf(f, 0)
	}
	return 0, false
}

func laxInteger(v pyjson.Value) (digits, problem string) {
	switch v.Kind() {
	case pyjson.Boolean:
		if v.Truth() {
			return "1", ""
		}
		return "0", ""
	case pyjson.Float:
		f := v.Number()
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return "", "finite_number"
		case f != math.Trunc(f):
			return "", "int_from_float"
		case f < math.MinInt64 || f >= math.MaxInt64:
			return "", "int_parsing_size"
		}
		return strconv.FormatInt(int64(f), 10), ""
	case pyjson.String:
		return integerText(v.Text())
	}
	return "", "int_type"
}

// integerText reads an integer from a text as pydantic does: blanks around it, a sign, single
// underscores between digits and a fraction of zeros are allowed.
func integerText(s string) (digits, problem string) {
	digits = strings.TrimSpace(s)
	if whole, fraction, ok := strings.Cut(digits, "."); ok && fraction != "" && strings.Trim(fraction, "0") == "" {
		digits = whole
	}
	unsigned := strings.TrimLeft(digits, "+-")
	if len(digits)-len(unsigned) > 1 || !separated(unsigned) {
		return "", "int_parsing"
	}
	unsigned = strings.TrimLeft(strings.ReplaceAll(unsigned, "_", ""), "0")
	if len(unsigned) > pyjson.MaxDigits {
		return "", "int_parsing_size"
	}
	if unsigned == "" {
		return "0", ""
	}
	if strings.HasPrefix(digits, "-") {
		unsigned = "-" + unsigned
	}
	return unsigned, ""
}

// separated tells whether s is digits with single underscores between them.
func separated(s string) bool {
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for i := range len(s) {
		if !digit(i) && !(s[i] == '_' && digit(i-1) && digit(i+1)) {
			return false
		}
	}
	return s != ""
}

func laxNumber(v pyjson.Value) (any, string) {
	switch v.Kind() {
	case pyjson.Boolean:
		if v.Truth() {
			return 1.0, ""
		}
		return 0.0, ""
	case pyjson.String:
		return numberText(v.Text())
	}
	return nil, "float_type"
}

// numberText reads a number from a text as pydantic does: blanks around it are allowed, or
// single underscores inside it.
func numberText(s string) (any, string) {
	if strings.Trim(s, "_") == s && !strings.Contains(s, "__") && strings.Contains(s, "_") {
		s = strings.ReplaceAll(s, "_", "")
	} else {
		s = strings.TrimSpace(s)
	}
	if strings.EqualFold(strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+"), "nan") {
		return math.NaN(), ""
	}
	f, err := strconv.ParseFloat(s, 64)
	// Go also reads hexadecimal numbers and underscores. An error of the range comes with infinity.
	if strings.ContainsAny(s, "xX_") || err != nil && !math.IsInf(f, 0) {
		return nil, "float_parsing"
	}
	return f, ""
}

// truths are the words for a boolean, in lower case.
var truths = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "on": true, "1": true,
	"false": false, "f": false, "no": false, "n": false, "off": false, "0": false,
}

func laxBoolean(v pyjson.Value) (any, string) {
	word := ""
	switch v.Kind() {
	case pyjson.String:
		word = strings.ToLower(v.Text())
	case pyjson.Integer:
		n, err := strconv.ParseInt(v.Text(), 10, 64)
		if err != nil {
			return nil, "bool_type"
		}
		word = strconv.FormatInt(n, 10) // -0 is 0
	case pyjson.Float:
		f := v.Number()
		if f != math.Trunc(f) || f < math.MinInt64 || f >= math.MaxInt64 {
			return nil, "bool_type"
		}
		word = strconv.FormatInt(int64(f), 10)
	default:
		return nil, "bool_type"
	}
	truth, ok := truths[word]
	if !ok {
		return nil, "bool_parsing"
	}
	return truth, ""
}
