package tokenizer

// matcher finds the end of the match that starts at i; every character of a text belongs
// to a match, so the next one starts there.
type matcher func(c *classifier, i int) int

// gpt2Pattern is what a ByteLevel pre-tokenizer splits by when use_regex is set.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

const (
	contractions = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	spaceTail    = `|\s*[\r\n]+|\s+(?!\S)|\s+`
	wordHead     = `[^\r\n\p{L}\p{N}]?`
	upperClass   = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
	lowerClass   = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
	plainPunct   = `| ?[^\s\p{L}\p{N}]+[\r\n]*`
	slashPunct   = `| ?[^\s\p{L}\p{N}]+[\r\n/]*`
)

// knownPatterns holds the split patterns read by hand: a scanner is about twice as fast as
// a backtracking engine. Any other pattern goes to the engine.
var knownPatterns = map[string]matcher{
	gpt2Pattern: gpt2Match,
	// cl100k: Llama 3, OLMo 2, Phi 4, SmolLM3
	contractions + `|` + wordHead + `\p{L}+|\p{N}{1,3}` + plainPunct + spaceTail: wordMatcher(3, letter),
	// Qwen 2, 2.5, 3
	contractions + `|` + wordHead + `\p{L}+|\p{N}` + plainPunct + spaceTail: wordMatcher(1, letter),
	// Qwen 3.5
	contractions + `|` + wordHead + `[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*` + spaceTail: wordMatcher(1, letter|mark),
	// o200k: gpt-oss
	wordHead + upperClass + `*` + lowerClass + `+` + contractions + `?|` +
		wordHead + upperClass + `+` + lowerClass + `*` + contractions + `?|\p{N}{1,3}` + slashPunct + spaceTail: casedMatcher(3, true),
	// Mistral's tekken: one digit, no contractions
	wordHead + upperClass + `*` + lowerClass + `+|` +
		wordHead + upperClass + `+` + lowerClass + `*|\p{N}` + slashPunct + spaceTail: casedMatcher(1, false),
}

// contraction returns the length of 's 't 're 've 'm 'll 'd at i, 0 if there is none.
// Ignoring case, U+017F (long s) counts as s, as Unicode folds it.
func contraction(text string, i int, anyCase bool) int {
	if i+1 >= len(text) || text[i] != '\'' {
		return 0
	}
	fold := func(j int) byte {
		if j >= len(text) {
			return 0
		}
		if c := text[j]; anyCase && 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return text[j]
	}
	switch first, second := fold(i+1), fold(i+2); {
	case first == 's' || first == 't' || first == 'm' || first == 'd':
		return 2
	case first == 'r' && second == 'e', first == 'v' && second == 'e', first == 'l' && second == 'l':
		return 3
	case anyCase && first == 0xC5 && second == 0xBF:
		return 3
	}
	return 0
}

// spaces matches \s+(?!\S)|\s+ at i: white space up to its last character, which goes
// with the word behind it unless it stands alone or ends the text.
func (c *classifier) spaces(i int) int {
	last, end := i, i
	for {
		k, size := c.at(end)
		if size == 0 {
			return end
		}
		if k&space == 0 {
			break
		}
		last = end
		end += size
	}
	if last > i {
		return last
	}
	return end
}

// lines matches \s*[\r\n]+ at i: white space up to and with the last line break in it.
func (c *classifier) lines(i int) int {
	end := i
	for j := i; ; {
		k, size := c.at(j)
		if k&space == 0 {
			return end
		}
		if j += size; k&newline != 0 {
			end = j
		}
	}
}

// gpt2Match is gpt2Pattern.
func gpt2Match(c *classifier, i int) int {
	if n := contraction(c.text, i, false); n > 0 {
		return i + n
	}
	start := i
	if c.text[i] == ' ' {
		start++
	}
	k, size := c.at(start)
	switch {
	case size == 0 || k&space != 0:
		return c.spaces(i)
	case k&letter != 0:
		return c.run(start, letter, 0)
	case k&number != 0:
		return c.run(start, number, 0)
	}
	return c.run(start, 0, space|letter|number)
}

// digits returns the end of at most limit number characters from i.
func (c *classifier) digits(i, limit int) int {
	for ; limit > 0; limit-- {
		k, size := c.at(i)
		if k&number == 0 {
			break
		}
		i += size
	}
	return i
}

// wordMatcher is the cl100k pattern with at most maxDigits numbers in a row and words made
// of the given classes.
func wordMatcher(maxDigits int, word class) matcher {
	return func(c *classifier, i int) int {
		if n := contraction(c.text, i, true); n > 0 {
			return i + n
		}
		k, size := c.at(i)
		if k&word != 0 {
			return c.run(i, word, 0)
		}
		if k&(newline|number|letter) == 0 {
			if end := c.run(i+size, word, 0); end > i+size {
				return end
			}
		}
		if k&number != 0 {
			return c.digits(i, maxDigits)
		}
		return c.rest(i, word, false)
	}
}

// rest matches what is neither word nor number: punctuation with a space before and line
// breaks (and slashes) behind, or white space.
func (c *classifier) rest(i int, word class, slashes bool) int {
	start := i
	if c.text[i] == ' ' {
		start++
	}
	if end := c.run(start, 0, space|number|word); end > start {
		for end < len(c.text) && (c.text[end] == '\r' || c.text[end] == '\n' || slashes && c.text[end] == '/') {
			end++
		}
		return end
	}
	if end := c.lines(i); end > i {
		return end
	}
	return c.spaces(i)
}

// casedMatcher is the o200k pattern: words are upper then lower case, with letters of
// neither case and marks counting as both, and one other character may stand in front.
func casedMatcher(maxDigits int, suffixes bool) matcher {
	return func(c *classifier, i int) int {
		k, size := c.at(i)
		if end := c.casedWord(i, k, size); end > 0 {
			if suffixes {
				end += contraction(c.text, end, true)
			}
			return end
		}
		if k&number != 0 {
			return c.digits(i, maxDigits)
		}
		return c.rest(i, letter, true)
	}
}

// casedWord tries the four ways to match a word at i in the pattern's order, each with and
// without the character in front; 0 means none of them.
func (c *classifier) casedWord(i int, k class, size int) int {
	head := i // where a word may begin behind one other character
	if k&(newline|number|letter) == 0 {
		head += size
	}
	if end := c.lowerWord(head); end > 0 {
		return end
	}
	if end := c.lowerWord(i); end > 0 {
		return end
	}
	if end := c.run(head, upper, 0); end > head {
		return end
	}
	if end := c.run(i, upper, 0); end > i {
		return end
	}
	return 0
}

// lowerWord matches upper* lower+ at i. Without lower case behind the upper run, the run
// gives back characters until one counts as lower; 0 means there is none.
func (c *classifier) lowerWord(i int) int {
	both := 0
	for {
		k, size := c.at(i)
		if k&upper == 0 {
			if end := c.run(i, lower, 0); end > i {
				return end
			}
			return both
		}
		if i += size; k&lower != 0 {
			both = i
		}
	}
}
