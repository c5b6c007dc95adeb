package chat

import (
	"strings"

	"npinf/tokenizer"
)

// Convention is how a model marks the parts of its turns, as far as its added tokens tell.
type Convention struct {
	harmony   bool // <|channel|> and <|message|>: turns of several channels
	reasoning bool // <think> and </think> around what the model thinks
}

// The marks.
const (
	harmonyStart   = "<|start|>"
	harmonyChannel = "<|channel|>"
	harmonyMessage = "<|message|>"
	thinkOpen      = "<think>"
	thinkClose     = "</think>"

	analysis = "analysis" // the channel of thoughts
	final    = "final"    // the channel of answers
)

// harmonyEnds close a turn of a harmony model.
var harmonyEnds = []string{"<|end|>", "<|return|>", "<|call|>"}

// turnEnds close a turn of other models.
var turnEnds = []string{"<|im_end|>", "<end_of_turn>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|eom_id|>", "<｜end▁of▁sentence｜>"}

// ConventionOf reads a convention off the added tokens of a tokenizer, special or not.
func ConventionOf(t *tokenizer.Tokenizer) Convention {
	added := map[string]bool{}
	for _, token := range t.AddedTokens() {
		added[token.Content] = true
	}
	return Convention{
		harmony:   added[harmonyChannel] && added[harmonyMessage],
		reasoning: added[thinkOpen] && added[thinkClose],
	}
}

// cutAtEarliest returns the text before the first of the marks.
func cutAtEarliest(text string, marks []string) string {
	for _, mark := range marks {
		text, _, _ = strings.Cut(text, mark)
	}
	return text
}
