package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class says which of the sets that split patterns ask for hold a character.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N}
	space                     // \s: Unicode White_Space
	newline                   // \r \n
	upper                     // \p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}
	lower                     // \p{Ll}\p{Lm}\p{Lo}\p{M}
	mark                      // \p{M}
)

// classTable holds the classes of the Basic Multilingual Plane.
var classTable = sync.OnceValue(func() *[0x10000]class {
	table := new([0x10000]class)
	for r := range table {
		table[r] = classOf(rune(r))
	}
	return table
})

func classOf(r rune) (c class) {
	if c, ok := newerClass(r); ok {
		return c
	}
	if unicode.IsLetter(r) {
		c |= letter
	}
	if unicode.IsNumber(r) {
		c |= number
	}
	if unicode.Is(unicode.White_Space, r) {
		c |= space
	}
	if r == '\r' || r == '\n' {
		c |= newline
	}
	if unicode.Is(unicode.M, r) {
		c |= mark | upper | lower
	}
	if unicode.In(r, unicode.Lm, unicode.Lo) {
		c |= upper | lower
	}
	if unicode.In(r, unicode.Lu, unicode.Lt) {
		c |= upper
	}
	if unicode.Is(unicode.Ll, r) {
		c |= lower
	}
	return c
}

// classifier decodes characters of a text together with their class.
type classifier struct {
	text  string
	table *[0x10000]class
}

func newClassifier(text string) classifier { return classifier{text, classTable()} }

// at returns class and size in bytes of the character at i; size is 0 at the end.
func (c *classifier) at(i int) (class, int) {
	if i >= len(c.text) {
		return 0, 0
	}
	if b := c.text[i]; b < utf8.RuneSelf {
		return c.table[b], 1
	}
	r, size := utf8.DecodeRuneInString(c.text[i:])
	if r < 0x10000 {
		return c.table[r], size
	}
	return classOf(r), size
}

// run returns the end of the longest run from i of characters in any of the classes want
// and in none of unwanted (with want 0: of characters in none of unwanted).
func (c *classifier) run(i int, want, unwanted class) int {
	for {
		k, size := c.at(i)
		if size == 0 || k&unwanted != 0 || want != 0 && k&want == 0 {
			return i
		}
		i += size
	}
}
