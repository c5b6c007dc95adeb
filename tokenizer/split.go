package tokenizer

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// behavior says what becomes of the matches when a text is split.
type behavior int

const (
	removed            behavior = iota // matches are dropped
	isolated                           // each match is a piece
	mergedWithPrevious                 // a match ends the piece before it
	mergedWithNext                     // a match begins the piece behind it
	contiguous                         // matches side by side are one piece
	isolatedOnly                       // each match is a piece, the rest is dropped
)

func parseBehavior(name string) (behavior, error) {
	switch name {
	case "Removed":
		return removed, nil
	case "Isolated":
		return isolated, nil
	case "MergedWithPrevious":
		return mergedWithPrevious, nil
	case "MergedWithNext":
		return mergedWithNext, nil
	case "Contiguous":
		return contiguous, nil
	}
	return 0, fmt.Errorf("split behavior %q is not supported", name)
}

// splitter is the pre-tokenizer that splits every piece at the matches of find.
func splitter(find func(string) [][2]int, join behavior) pretokenizer {
	return func(pieces []piece) []piece {
		out := make([]piece, 0, len(pieces))
		for _, p := range pieces {
			out = appendSplit(out, p, find(p.text), join)
		}
		return out
	}
}

// appendSplit cuts one piece at the given matches.
func appendSplit(out []piece, p piece, matches [][2]int, join behavior) []piece {
	start := 0 // of the piece being gathered
	cut := func(end int, keep bool) {
		if keep && end > start {
			out = append(out, piece{p.text[start:end], p.first && start == 0})
		}
		start = end
	}
	last := 0 // end of the match before
	for i, m := range matches {
		afterGap := m[0] > last
		switch join {
		case removed:
			cut(m[0], true)
			cut(m[1], false)
		case isolated:
			cut(m[0], true)
			cut(m[1], true)
		case isolatedOnly:
			cut(m[0], false)
			cut(m[1], true)
		case mergedWithPrevious:
			cut(m[1], true)
		case mergedWithNext:
			cut(m[0], true)
		case contiguous:
			if afterGap || i == 0 {
				cut(m[0], true)
			}
			if i+1 == len(matches) || matches[i+1][0] > m[1] {
				cut(m[1], true)
			}
		}
		last = m[1]
	}
	cut(len(p.text), join != isolatedOnly)
	return out
}

// findRunes finds the characters that is accepts, in runs or one by one.
func findRunes(is func(rune) bool, runs bool) func(string) [][2]int {
	return func(text string) (found [][2]int) {
		for i, r := range text {
			if !is(r) {
				continue
			}
			end := i + utf8.RuneLen(r)
			if n := len(found); runs && n > 0 && found[n-1][1] == i {
				found[n-1][1] = end
			} else {
				found = append(found, [2]int{i, end})
			}
		}
		return found
	}
}

// findWordsAndSymbols matches \w+|[^\w\s]+.
func findWordsAndSymbols(text string) (found [][2]int) {
	const none, word, symbol = 0, 1, 2
	before := none
	for i, r := range text {
		kind := symbol
		if isWord(r) {
			kind = word
		} else if unicode.IsSpace(r) {
			kind = none
		}
		if kind != none {
			if kind != before {
				found = append(found, [2]int{i, i})
			}
			found[len(found)-1][1] = i + utf8.RuneLen(r)
		}
		before = kind
	}
	return found
}

// isWord reports whether \w matches r (Unicode Technical Standard 18): alphabetic, mark,
// decimal number, connector punctuation, join control.
func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic) ||
		r == '\u200c' || r == '\u200d'
}
