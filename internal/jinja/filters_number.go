package jinja

import (
	"math"
	"strconv"
	"strings"

	"npinf/internal/pyrepr"
)

func absolute(_ *machine, v Value, _ arguments) Value {
	i, x, isInteger, ok := number(v)
	if !ok {
		use(v)
		fail("bad operand type for abs(): %s", pyrepr.Quote(typeName(v)))
	}
	switch {
	case !isInteger:
		return math.Abs(x)
	case i < 0:
		return negate(i, "-")
	}
	return i
}

// intFilter is Jinja's int filter: what cannot be converted becomes the default.
func intFilter(_ *machine, v Value, a arguments) Value {
	p := a.bind("int", 0, "default", "base")
	base := integer(or(p[1], int64(10)), "base")
	switch v := v.(type) {
	case string:
		if i, ok := parseInteger(v, int(base)); ok {
			return i
		}
		if x, ok := parseFloat(v); ok && !math.IsInf(x, 0) && !math.IsNaN(x) {
			return truncate(x)
		}
	case float64:
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			return truncate(v)
		}
	case bool, int64:
		i, _, _, _ := number(v)
		return i
	case *undefined:
		use(v)
	}
	return or(p[0], int64(0))
}

// parseInteger reads an integer as Python's int(text, base).
func parseInteger(text string, base int) (int64, bool) {
	text = strings.TrimFunc(text, IsSpace)
	digits := strings.TrimLeft(text, "+-")
	if base < 2 && base != 0 || base > 36 || len(text)-len(digits) > 1 || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return 0, false
	}
	plain := strings.ReplaceAll(text, "_", "")
	if base == 16 || base == 8 || base == 2 {
		for _, prefix := range []string{"0x", "0o", "0b"} {
			if bare, ok := strings.CutPrefix(strings.ToLower(digits), prefix); ok && prefix == map[int]string{16: "0x", 8: "0o", 2: "0b"}[base] {
				plain = text[:len(text)-len(digits)] + strings.ReplaceAll(bare, "_", "")
			}
		}
	}
	i, err := strconv.ParseInt(plain, base, 64)
	return i, err == nil
}

// parseFloat reads a float as Python's float(text).
func parseFloat(text string) (float64, bool) {
	text = strings.TrimFunc(text, IsSpace)
	if strings.ContainsAny(text, "xXpP") || strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") {
		return 0, false
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return x, err == nil || math.IsInf(x, 0)
}

func floatFilter(_ *machine, v Value, a arguments) Value {
	p := a.bind("float", 0, "default")
	if text, ok := v.(string); ok {
		if x, ok := parseFloat(text); ok {
			return x
		}
	} else if _, x, _, ok := number(v); ok {
		return x
	}
	use(v)
	return or(p[0], 0.0)
}

// round is Jinja's round filter. Rounded the common way an integer stays one.
func round(_ *machine, v Value, a arguments) Value {
	p := a.bind("round", 0, "precision", "method")
	precision := integer(or(p[0], int64(0)), "precision")
	method := textArgument(or(p[1], "common"), "method")
	i, x, isInteger, ok := number(v)
	if !ok {
		use(v)
		fail("type %s doesn't define __round__ method", typeName(v))
	}
	scale := math.Pow(10, float64(precision))
	switch method {
	case "common":
		if isInteger && precision >= 0 {
			return i
		}
		return roundCommon(x, precision, isInteger)
	case "ceil":
		return math.Ceil(x*scale) / scale
	case "floor":
		return math.Floor(x*scale) / scale
	}
	fail("method must be common, ceil or floor")
	return nil
}

// roundCommon is Python's round: halves of the exact binary value go to the even digit.
func roundCommon(x float64, precision int64, isInteger bool) Value {
	if precision > 320 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	if precision < 0 {
		scale := math.Pow(10, float64(-precision))
		x = math.RoundToEven(x/scale) * scale
		if isInteger {
			return truncate(x)
		}
		return x
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', int(precision), 64), 64)
	if err != nil {
		return x
	}
	return rounded
}

func sum(m *machine, v Value, a arguments) Value {
	p := a.bind("sum", 0, "attribute", "start")
	total := or(p[1], int64(0))
	for _, item := range m.iterate(v) {
		if attribute := or(p[0], nil); attribute != nil {
			item = m.path(item, attribute)
		}
		total = m.arithmetic("+", total, item)
	}
	return total
}
