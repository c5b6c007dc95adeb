package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text before it is split.
type normalizer func(text string) string

// parseNormalizer builds the normalizer of tokenizer.json; nil means none.
func parseNormalizer(raw json.RawMessage) (normalizer, error) {
	c, err := parseComponent(raw)
	if err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	switch c.kind {
	case "":
		return nil, nil
	case "NFC":
		return norm.NFC.String, nil
	case "NFD":
		return norm.NFD.String, nil
	case "NFKC":
		return norm.NFKC.String, nil
	case "NFKD":
		return norm.NFKD.String, nil
	case "Lowercase":
		return lowercase, nil
	case "StripAccents":
		return stripMarks, nil
	case "Prepend":
		return prependNormalizer(c)
	case "Replace":
		return replaceNormalizer(c)
	case "ByteLevel":
		return func(text string) string { return string(appendByteLevel(nil, text)) }, nil
	case "Sequence":
		return sequenceNormalizer(c)
	}
	return nil, c.unsupported("normalizer")
}

func sequenceNormalizer(c component) (normalizer, error) {
	var settings struct{ Normalizers []json.RawMessage }
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	var stages []normalizer
	for _, raw := range settings.Normalizers {
		stage, err := parseNormalizer(raw)
		if err != nil {
			return nil, err
		}
		if stage != nil {
			stages = append(stages, stage)
		}
	}
	return func(text string) string {
		for _, stage := range stages {
			text = stage(text)
		}
		return text
	}, nil
}

func prependNormalizer(c component) (normalizer, error) {
	var settings struct{ Prepend string }
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	return func(text string) string {
		if text == "" {
			return ""
		}
		return settings.Prepend + text
	}, nil
}

func replaceNormalizer(c component) (normalizer, error) {
	replace, err := parseReplace(c)
	return normalizer(replace), err
}

// parseReplace builds the function of a Replace normalizer or decoder. The content is
// literal, also behind a regular expression.
func parseReplace(c component) (func(string) string, error) {
	var settings struct {
		Pattern pattern
		Content string
	}
	if err := c.into(&settings); err != nil {
		return nil, err
	}
	if settings.Pattern.String != nil && *settings.Pattern.String != "" {
		old, content := *settings.Pattern.String, settings.Content
		return func(text string) string { return strings.ReplaceAll(text, old, content) }, nil
	}
	find, err := settings.Pattern.finder()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	}
	return func(text string) string {
		var out strings.Builder
		last := 0
		for _, m := range find(text) {
			out.WriteString(text[last:m[0]])
			out.WriteString(settings.Content)
			last = m[1]
		}
		out.WriteString(text[last:])
		return out.String()
	}, nil
}

// lowercase maps every character on its own; the dotted capital I becomes two.
func lowercase(text string) string {
	return strings.ToLower(strings.ReplaceAll(text, "İ", "i\u0307"))
}

// stripMarks drops non-spacing, spacing and enclosing marks.
func stripMarks(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			return -1
		}
		return r
	}, text)
}
