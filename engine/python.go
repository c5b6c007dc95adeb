package engine

import (
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// Clients see numbers as Python writes them; these helpers do the same.

// pythonFloat formats a number like Python's repr of a float: 50.0, 62.5.
func pythonFloat(x float64) string {
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// round rounds to a number of decimals like Python's round: halves of the exact binary
// value go to the even digit.
func round(x float64, decimals int) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', decimals, 64), 64)
	if err != nil {
		return x
	}
	return rounded
}

// pythonInt reads an integer like Python's int(text): blanks around it, a sign, single
// underscores between digits, and decimal digits of any script.
func pythonInt(text string) (*big.Int, bool) {
	text = strings.TrimSpace(text)
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 {
		return nil, false
	}
	var plain strings.Builder
	afterDigit := false
	for _, r := range digits {
		value, ok := digitValue(r)
		switch {
		case ok:
			plain.WriteByte('0' + value)
			afterDigit = true
		case r == '_' && afterDigit:
			afterDigit = false
		default:
			return nil, false
		}
	}
	if !afterDigit {
		return nil, false
	}
	number, ok := new(big.Int).SetString(plain.String(), 10)
	if ok && strings.HasPrefix(text, "-") {
		number.Neg(number)
	}
	return number, ok
}

// digitValue gives the value of a decimal digit of any script. Unicode keeps the digits of
// a script in runs of ten that begin with zero.
func digitValue(r rune) (byte, bool) {
	if r < 0x80 {
		return byte(r - '0'), r >= '0' && r <= '9'
	}
	for _, run := range unicode.Nd.R16 {
		if r >= rune(run.Lo) && r <= rune(run.Hi) {
			return byte((r - rune(run.Lo)) % 10), true
		}
	}
	for _, run := range unicode.Nd.R32 {
		if r >= rune(run.Lo) && r <= rune(run.Hi) {
			return byte((r - rune(run.Lo)) % 10), true
		}
	}
	return 0, false
}

// below reads decimal digits that stand for a number from 0 to limit - 1.
func below(digits string, limit int) (number int, ok bool) {
	number, err := strconv.Atoi(digits)
	return number, err == nil && number >= 0 && number < limit
}
