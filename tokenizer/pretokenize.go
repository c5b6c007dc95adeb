package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// piece is a part of the text that the model encodes on its own.
type piece struct {
	text  string
	first bool // begins where the whole text begins
}

// pretokenizer splits pieces further, or rewrites them.
type pretokenizer func(pieces []piece) []piece

// parsePretokenizer builds the pre-tokenizer of tokenizer.json; nil means none.
func parsePretokenizer(raw json.RawMessage) (pretokenizer, error) {
	c, err := parseComponent(raw)
	if err != nil {
		return nil, fmt.Errorf("pre-tokenizer: %w", err)
	}
	switch c.kind {
	case "":
		return nil, nil
	case "Sequence":
		return sequencePretokenizer(c)
	case "ByteLevel":
		return byteLevelPretokenizer(c)
	case "Split":
		return splitPretokenizer(c)
	case "Digits":
		return digitsPretokenizer(c)
	case "Metaspace":
		return metaspacePretokenizer(c)
	case "Punctuation":
		return punctuationPretokenizer(c)
	case "CharDelimiterSplit":
		return delimiterPretokenizer(c)
	case "WhitespaceSplit":
		return splitter(findRunes(unicode.IsSpace, true), removed), nil
	case "Whitespace":
		return splitter(findWordsAndSymbols, isolatedOnly), nil
	}
	return nil, c.unsupported("pre-tokenizer")
}

func sequencePretokenizer(c component) (pretokenizer, error) {
	var settings struct{ Pretokenizers []json.RawMessage }
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	var stages []pretokenizer
	for _, raw := range settings.Pretokenizers {
		stage, err := parsePretokenizer(raw)
		if err != nil {
			return nil, err
		}
		if stage != nil {
			stages = append(stages, stage)
		}
	}
	return func(pieces []piece) []piece {
		for _, stage := range stages {
			pieces = stage(pieces)
		}
		return pieces
	}, nil
}

// byteLevelPretokenizer splits by the GPT-2 pattern and spells the bytes of every piece as
// printable characters.
func byteLevelPretokenizer(c component) (pretokenizer, error) {
	settings := struct {
		AddPrefixSpace bool  `json:"add_prefix_space"`
		UseRegex       *bool `json:"use_regex"`
	}{}
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	split := splitter(func(text string) [][2]int { return findKnown(text, gpt2Match) }, isolated)
	return func(pieces []piece) []piece {
		if settings.AddPrefixSpace {
			pieces = prefixed(pieces, " ", func(p piece) bool { return true })
		}
		if settings.UseRegex == nil || *settings.UseRegex {
			pieces = split(pieces)
		}
		return byteLevelPieces(pieces)
	}, nil
}

// byteLevelPieces respells all pieces within one allocation.
func byteLevelPieces(pieces []piece) []piece {
	size := 0
	for _, p := range pieces {
		size += len(p.text) + len(p.text)/4
	}
	spelled := make([]byte, 0, size)
	ends := make([]int, len(pieces))
	for i, p := range pieces {
		spelled = appendByteLevel(spelled, p.text)
		ends[i] = len(spelled)
	}
	all, start := string(spelled), 0
	for i, end := range ends {
		pieces[i].text = all[start:end]
		start = end
	}
	return pieces
}

// prefixed puts prefix before the pieces that apply and do not begin with it already.
func prefixed(pieces []piece, prefix string, applies func(piece) bool) []piece {
	for i, p := range pieces {
		if applies(p) && !strings.HasPrefix(p.text, prefix) {
			pieces[i].text = prefix + p.text
		}
	}
	return pieces
}

func splitPretokenizer(c component) (pretokenizer, error) {
	var settings struct {
		Pattern  pattern
		Behavior string
		Invert   bool
	}
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	find, err := settings.Pattern.finder()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	}
	join, err := parseBehavior(settings.Behavior)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	}
	return func(pieces []piece) []piece {
		out := make([]piece, 0, len(pieces))
		for _, p := range pieces {
			out = appendSplit(out, p, find(p.text), join, settings.Invert)
		}
		return out
	}, nil
}

func digitsPretokenizer(c component) (pretokenizer, error) {
	var settings struct {
		Individual bool `json:"individual_digits"`
	}
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	isNumber := func(r rune) bool { return classOf(r)&number != 0 }
	return splitter(findRunes(isNumber, !settings.Individual), isolated), nil
}

func punctuationPretokenizer(c component) (pretokenizer, error) {
	settings := struct{ Behavior string }{"Isolated"}
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	join, err := parseBehavior(settings.Behavior)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	}
	isPunctuation := func(r rune) bool {
		return unicode.IsPunct(r) || r < utf8.RuneSelf && unicode.IsSymbol(r)
	}
	return splitter(findRunes(isPunctuation, false), join), nil
}

func delimiterPretokenizer(c component) (pretokenizer, error) {
	var settings struct{ Delimiter string }
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	find, err := pattern{String: &settings.Delimiter}.finder()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	}
	return splitter(find, removed), nil
}

// metaspacePretokenizer writes spaces as a visible character (SentencePiece), puts one
// before the text, and begins a piece at each.
func metaspacePretokenizer(c component) (pretokenizer, error) {
	settings, err := parseMetaspace(c)
	if err != nil {
		return nil, err
	}
	split := splitter(func(text string) [][2]int { return findLiteral(text, settings.Replacement) }, mergedWithNext)
	return func(pieces []piece) []piece {
		for i := range pieces {
			pieces[i].text = strings.ReplaceAll(pieces[i].text, " ", settings.Replacement)
		}
		if settings.scheme != "never" {
			pieces = prefixed(pieces, settings.Replacement, func(p piece) bool {
				return p.first || settings.scheme == "always"
			})
		}
		if settings.Split == nil || *settings.Split {
			pieces = split(pieces)
		}
		return pieces
	}, nil
}

// metaspace holds the settings of the Metaspace pre-tokenizer and decoder.
type metaspace struct {
	Replacement    string
	PrependScheme  *string `json:"prepend_scheme"`
	AddPrefixSpace *bool   `json:"add_prefix_space"` // older files
	Split          *bool
	scheme         string // always, first or never
}

func parseMetaspace(c component) (metaspace, error) {
	var m metaspace
	if err := c.into(&m); err != nil {
		return m, err
	}
	m.scheme = "always"
	if m.PrependScheme != nil {
		m.scheme = *m.PrependScheme
	} else if m.AddPrefixSpace != nil && !*m.AddPrefixSpace {
		m.scheme = "never"
	}
	if m.scheme != "always" && m.scheme != "first" && m.scheme != "never" {
		return m, fmt.Errorf("%s: prepend_scheme %q is not supported", c.kind, m.scheme)
	}
	if utf8.RuneCountInString(m.Replacement) != 1 {
		return m, fmt.Errorf("%s: replacement %q is not one character", c.kind, m.Replacement)
	}
	return m, nil
}
