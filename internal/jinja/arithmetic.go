package jinja

import (
	"math"
	"math/bits"
	"strings"

	"npinf/internal/pyrepr"
)

// arithmetic evaluates left operator right.
func (m *machine) arithmetic(operator string, left, right Value) Value {
	if operator == "~" {
		return m.made(m.str(left) + m.str(right))
	}
	if s, ok := left.(string); ok && operator == "%" {
		return m.percent(s, right)
	}
	use(left)
	use(right)
	a, x, leftInteger, leftNumber := number(left)
	b, y, rightInteger, rightNumber := number(right)
	switch {
	case leftNumber && rightNumber && leftInteger && rightInteger:
		return integerArithmetic(operator, a, b)
	case leftNumber && rightNumber:
		return floatArithmetic(operator, x, y)
	case operator == "+":
		return m.concatenate(left, right)
	case operator == "*" && rightNumber && rightInteger:
		if v, ok := m.repeat(left, b); ok {
			return v
		}
	case operator == "*" && leftNumber && leftInteger:
		if v, ok := m.repeat(right, a); ok {
			return v
		}
	}
	unsupported(operator, left, right)
	return nil
}

func unsupported(operator string, left, right Value) {
	if operator == "**" {
		operator = "** or pow()"
	}
	fail("unsupported operand type(s) for %s: %s and %s", operator, pyrepr.Quote(typeName(left)), pyrepr.Quote(typeName(right)))
}

// concatenate is left + right for values that are no numbers.
func (m *machine) concatenate(left, right Value) Value {
	switch l := left.(type) {
	case string:
		r, ok := right.(string)
		if !ok {
			fail("can only concatenate str (not %q) to str", typeName(right))
		}
		return m.made(l + r)
	case List:
		r, ok := right.(List)
		if !ok {
			fail("can only concatenate list (not %q) to list", typeName(right))
		}
		return List(m.joined(l, r))
	case Tuple:
		r, ok := right.(Tuple)
		if !ok {
			fail("can only concatenate tuple (not %q) to tuple", typeName(right))
		}
		return Tuple(m.joined(l, r))
	}
	unsupported("+", left, right)
	return nil
}

func (m *machine) joined(left, right []Value) []Value {
	m.spendItems(len(left) + len(right))
	return append(append(make([]Value, 0, len(left)+len(right)), left...), right...)
}

// repeat is v * times for sequences; ok is false for others.
func (m *machine) repeat(v Value, times int64) (repeated Value, ok bool) {
	times = max(times, 0)
	switch v := v.(type) {
	case string:
		m.spendText(product(len(v), times))
		return strings.Repeat(v, int(times)*min(len(v), 1)), true
	case List:
		return List(m.repeatItems(v, times)), true
	case Tuple:
		return Tuple(m.repeatItems(v, times)), true
	}
	return nil, false
}

func (m *machine) repeatItems(items []Value, times int64) []Value {
	total := product(len(items), times)
	m.spendItems(total)
	repeated := make([]Value, 0, total)
	for len(repeated) < total {
		repeated = append(repeated, items...)
	}
	return repeated
}

// product is size * times, or the largest int where that is too large.
func product(size int, times int64) int {
	high, low := bits.Mul64(uint64(size), uint64(times))
	if high != 0 || low > math.MaxInt {
		return math.MaxInt
	}
	return int(low)
}

func negate(v Value, operator string) Value {
	integer, float, isInteger, ok := number(v)
	if !ok {
		use(v)
		fail("bad operand type for unary %s: %s", operator, pyrepr.Quote(typeName(v)))
	}
	switch {
	case operator == "+" && isInteger:
		return integer
	case operator == "+":
		return float
	case !isInteger:
		return -float
	case integer == math.MinInt64:
		overflow()
	}
	return -integer
}

func overflow() { fail("the template computes an integer that needs more than 64 bits") }

func integerArithmetic(operator string, a, b int64) Value {
	if b == 0 && (operator == "/" || operator == "//" || operator == "%") {
		fail("division by zero")
	}
	switch operator {
	case "+":
		if sum := a + b; (sum > a) == (b > 0) {
			return sum
		}
	case "-":
		if difference := a - b; (difference < a) == (b > 0) {
			return difference
		}
	case "*":
		if p, ok := multiply(a, b); ok {
			return p
		}
	case "/":
		return float64(a) / float64(b)
	case "//":
		if a != math.MinInt64 || b != -1 {
			return floorDivide(a, b)
		}
	case "%":
		if b == -1 {
			return int64(0)
		}
		return a - floorDivide(a, b)*b
	case "**":
		return integerPower(a, b)
	}
	overflow()
	return nil
}

func floorDivide(a, b int64) int64 {
	quotient := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		quotient--
	}
	return quotient
}

func multiply(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	p := a * b
	return p, p/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
}

func integerPower(base, exponent int64) Value {
	if exponent < 0 {
		if base == 0 {
			fail("0.0 cannot be raised to a negative power")
		}
		return math.Pow(float64(base), float64(exponent))
	}
	result := int64(1)
	for ; exponent > 0 && (base < -1 || base > 1); exponent-- {
		var ok bool
		if result, ok = multiply(result, base); !ok {
			overflow()
		}
	}
	if base == 0 && exponent > 0 || base == -1 && exponent%2 == 1 {
		return base
	}
	return result
}

func floatArithmetic(operator string, x, y float64) Value {
	if y == 0 && (operator == "/" || operator == "//" || operator == "%") {
		fail("float division by zero")
	}
	switch operator {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "//":
		return math.Floor(x / y)
	case "%":
		remainder := math.Mod(x, y)
		if remainder != 0 && (remainder < 0) != (y < 0) {
			remainder += y
		}
		return remainder
	}
	power := math.Pow(x, y)
	if math.IsNaN(power) && x < 0 {
		fail("a negative number to a fractional power is complex")
	}
	return power
}
