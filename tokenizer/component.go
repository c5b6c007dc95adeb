package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dlclark/regexp2/v2"
)

// component is the JSON of one stage of the pipeline: normalizers, pre-tokenizers,
// post-processors and decoders are all told apart by "type".
type component struct {
	kind string
	raw  json.RawMessage
}

// parseComponent reads a stage; JSON null and an absent stage give kind "".
func parseComponent(raw json.RawMessage) (component, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return component{}, nil
	}
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return component{}, err
	}
	if head.Type == "" {
		return component{}, fmt.Errorf("component without a type")
	}
	return component{head.Type, raw}, nil
}

// into decodes the settings of the stage.
func (c component) into(settings any) error {
	if err := json.Unmarshal(c.raw, settings); err != nil {
		return fmt.Errorf("%s: %w", c.kind, err)
	}
	return nil
}

// unsupported is the error for a stage that this package does not implement. Loading
// stops: a tokenizer without one of its stages would give wrong ids in silence.
func (c component) unsupported(stage string) error {
	return fmt.Errorf("%s %q is not supported", stage, c.kind)
}

// pattern is {"String": text} or {"Regex": expression}.
type pattern struct {
	String *string
	Regex  *string
}

// finder returns a function that lists the non-empty matches in a text, left to right, as
// pairs of byte offsets.
func (p pattern) finder() (func(text string) [][2]int, error) {
	switch {
	case p.String != nil && *p.String != "":
		return func(text string) [][2]int { return findLiteral(text, *p.String) }, nil
	case p.Regex != nil:
		if match, ok := knownPatterns[*p.Regex]; ok {
			return func(text string) [][2]int { return findKnown(text, match) }, nil
		}
		if err := portable(*p.Regex); err != nil {
			return nil, err
		}
		// Oniguruma, the reference, lets ^ and $ match at every line.
		expression, err := regexp2.Compile(*p.Regex, regexp2.Multiline)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", *p.Regex, err)
		}
		return func(text string) [][2]int { return findExpression(text, expression) }, nil
	}
	return nil, fmt.Errorf("pattern is neither a non-empty String nor a Regex")
}

// portable rejects expressions that the reference's engine (Oniguruma) reads differently
// from ours: nested and intersected classes, and escapes for other sets or positions.
func portable(expression string) error {
	inClass := false
	for i := 0; i < len(expression); i++ {
		rest := expression[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			if strings.IndexByte("wWbBhHRXKGgkyYNO", rest[1]) >= 0 {
				return fmt.Errorf("pattern %q: %q is not supported", expression, rest[:2])
			}
			i++
		case inClass && (rest[0] == '[' || strings.HasPrefix(rest, "&&")):
			return fmt.Errorf("pattern %q: a class within a class is not supported", expression)
		case strings.HasPrefix(rest, "(?m"), strings.HasPrefix(rest, "(?x"), strings.HasPrefix(rest, "(?~"):
			return fmt.Errorf("pattern %q: %q is not supported", expression, rest[:3])
		case rest[0] == '[':
			inClass = true
		case rest[0] == ']':
			inClass = false
		}
	}
	return nil
}

func findLiteral(text, literal string) (found [][2]int) {
	for i := 0; i+len(literal) <= len(text); {
		if text[i:i+len(literal)] == literal {
			found = append(found, [2]int{i, i + len(literal)})
			i += len(literal)
		} else {
			i++
		}
	}
	return found
}

func findKnown(text string, match matcher) [][2]int {
	c := newClassifier(text)
	found := make([][2]int, 0, len(text)/4+1)
	for i := 0; i < len(text); {
		end := match(&c, i)
		found = append(found, [2]int{i, end})
		i = end
	}
	return found
}

func findExpression(text string, expression *regexp2.Regexp) (found [][2]int) {
	// Without a time limit or a bound on its stack the engine reports no errors.
	for m, err := expression.FindStringMatch(text); m != nil && err == nil; m, err = expression.FindNextMatch(m) {
		if start, length := m.ByteRange(); length > 0 {
			found = append(found, [2]int{start, start + length})
		}
	}
	return found
}
