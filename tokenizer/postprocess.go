package tokenizer

import (
	"encoding/json"
	"fmt"
)

// frame is what the post-processor puts around the ids of a single text.
type frame struct{ before, after []int }

// parsePostprocessor builds the frame of tokenizer.json. Of a template only the form for
// a single text counts: pairs of texts are never encoded here.
func parsePostprocessor(raw json.RawMessage) (frame, error) {
	c, err := parseComponent(raw)
	if err != nil {
		return frame{}, fmt.Errorf("post-processor: %w", err)
	}
	switch c.kind {
	case "", "ByteLevel": // ByteLevel changes offsets only
		return frame{}, nil
	case "TemplateProcessing":
		return templateFrame(c)
	case "RobertaProcessing", "BertProcessing":
		return bertFrame(c)
	case "Sequence":
		return sequenceFrame(c)
	}
	return frame{}, c.unsupported("post-processor")
}

// sequenceFrame nests the frames of its parts, the first innermost.
func sequenceFrame(c component) (frame, error) {
	var settings struct{ Processors []json.RawMessage }
	if err := c.into(&settings); err != nil {
		return frame{}, err
	}
	var whole frame
	for _, raw := range settings.Processors {
		f, err := parsePostprocessor(raw)
		if err != nil {
			return frame{}, err
		}
		whole.before = append(append([]int{}, f.before...), whole.before...)
		whole.after = append(whole.after, f.after...)
	}
	return whole, nil
}

func templateFrame(c component) (frame, error) {
	var settings struct {
		Single []struct {
			SpecialToken *struct{ ID string }
			Sequence     *struct{ ID string }
		}
		SpecialTokens map[string]struct{ IDs []int } `json:"special_tokens"`
	}
	if err := c.into(&settings); err != nil {
		return frame{}, err
	}
	var f frame
	sequences := 0
	for _, part := range settings.Single {
		switch {
		case part.Sequence != nil:
			sequences++
		case part.SpecialToken != nil:
			token, ok := settings.SpecialTokens[part.SpecialToken.ID]
			if !ok {
				return f, fmt.Errorf("TemplateProcessing: special token %q has no ids", part.SpecialToken.ID)
			}
			if sequences == 0 {
				f.before = append(f.before, token.IDs...)
			} else {
				f.after = append(f.after, token.IDs...)
			}
		}
	}
	if sequences != 1 {
		return f, fmt.Errorf("TemplateProcessing: the single template holds the text %d times, not once", sequences)
	}
	return f, nil
}

// bertFrame reads {"cls": [text, id], "sep": [text, id]}.
func bertFrame(c component) (frame, error) {
	var settings struct{ Cls, Sep []json.RawMessage }
	if err := c.into(&settings); err != nil {
		return frame{}, err
	}
	ids := [2]int{}
	for i, token := range [][]json.RawMessage{settings.Cls, settings.Sep} {
		if len(token) != 2 {
			return frame{}, fmt.Errorf("%s: cls and sep must be [text, id]", c.kind)
		}
		if err := json.Unmarshal(token[1], &ids[i]); err != nil {
			return frame{}, fmt.Errorf("%s: %w", c.kind, err)
		}
	}
	return frame{ids[:1], ids[1:]}, nil
}
