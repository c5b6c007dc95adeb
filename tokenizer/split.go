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
			out = appendSplit(out, p, find(p.text), join, false)
		}
		return out
	}
}

// appendSplit cuts one piece at the given matches. Inverted, the matches count as gaps and
// the gaps as matches.
func appendSplit(out []piece, p piece, matches [][2]int, join behavior, invert bool) []piece {
	start, before := -1, false // of the last piece; whether the stretch before was a match
	add := func(from, to int, match bool) {
		if from == to {
			return
		}
		merge := start >= 0 && (join == contiguous && match == before ||
			join == mergedWithPrevious && match && !before ||
			join == mergedWithNext && !match && before)
		switch {
		case merge:
			out[len(out)-1].text = p.text[start:to]
		case join == removed && match, join == isolatedOnly && !match:
		default:
			out = append(out, piece{p.text[from:to], p.first && from == 0})
			start = from
		}
		before = match
	}
	last := 0
	for _, m := range matches {
		add(last, m[0], invert)
		add(m[0], m[1], !invert)
		last = m[1]
	}
	add(last, len(p.text), invert)
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
