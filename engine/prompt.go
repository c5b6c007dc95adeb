package engine

import (
	"fmt"

	"npinf/internal/pyrepr"
)

// bytesPerToken and freeTextBytes bound the work of tokenising. No vocabulary has a token of
// more than bytesPerToken bytes, so a longer text has more tokens than the limit for sure;
// texts up to freeTextBytes are tokenised in any case, to name their count in the error.
const (
	bytesPerToken = 1024
	freeTextBytes = 256 << 10
)

// prompt is a text as the model gets it.
type prompt struct {
	ids []int
	bos bool // ids begin with the BOS
}

// body is the number of tokens in front that answers without BOS leave out: 0 or 1.
func (p prompt) body() int {
	if p.bos {
		return 1
	}
	return 0
}

// limit is a token limit with the words the messages add to it.
type limit struct {
	tokens float64
	batch  bool
}

// String is the limit as the messages name it.
func (l limit) String() string {
	if l.batch {
		return pythonFloat(l.tokens) + " for batch requests"
	}
	return fmt.Sprint(int(l.tokens))
}

// activationLimit is the limit for one prompt of an activation request.
func (w *world) activationLimit(batch bool) limit {
	if batch {
		return limit{float64(w.tokenLimit) / batchDivisor, true}
	}
	return limit{float64(w.tokenLimit), false}
}

// check refuses a prompt of n tokens that is over the limit.
func (l limit) check(n int) error {
	if float64(n) > l.tokens {
		return invalid("Text too long: %d tokens, max is %s", n, l)
	}
	return nil
}

// checkBytes refuses a text that has too many tokens for sure, before any work on it.
func (l limit) checkBytes(text string) error {
	if len(text) > max(freeTextBytes, int(l.tokens)*bytesPerToken) {
		return invalid("Text too long: %d bytes are more tokens than the limit, max is %s", len(text), l)
	}
	return nil
}

// tokens turns a text into tokens within a limit, with one BOS in front when wanted and when
// the tokenizer has one.
func (w *world) tokens(text string, withBOS bool, most limit) (prompt, error) {
	if err := most.checkBytes(text); err != nil {
		return prompt{}, err
	}
	ids := w.tokenizer.Prompt(text, withBOS)
	if err := most.check(len(ids)); err != nil {
		return prompt{}, err
	}
	return prompt{ids: ids, bos: w.startsWithBOS(ids)}, nil
}

func (w *world) startsWithBOS(ids []int) bool {
	bos, _, has := w.tokenizer.BOS()
	return has && len(ids) > 0 && ids[0] == bos
}

// prompts tokenises the texts of a request for the model; the first one that is too long
// ends it.
func (w *world) prompts(texts []string, most limit) ([]prompt, error) {
	prompts := make([]prompt, len(texts))
	for i, text := range texts {
		var err error
		if prompts[i], err = w.tokens(text, true, most); err != nil {
			return nil, err
		}
		if err := w.known(prompts[i].ids); err != nil {
			return nil, err
		}
	}
	return prompts, nil
}

// known refuses tokens of the tokenizer that the model has no embedding for.
func (w *world) known(ids []int) error {
	for _, id := range ids {
		if id >= w.info.Vocabulary {
			return invalid("Token %s has the id %d, out of the %d this model knows", pyrepr.Quote(w.tokenizer.TokenString(id)), id, w.info.Vocabulary)
		}
	}
	return nil
}

// notEmpty refuses prompts without a single token, which only tokenizers without a BOS make.
func notEmpty(prompts []prompt) error {
	for _, p := range prompts {
		if len(p.ids) == 0 {
			return invalid("Prompt has no tokens")
		}
	}
	return nil
}

// batchSize checks the number of prompts in a batch request.
func batchSize(texts []string, most int) error {
	if len(texts) == 0 {
		return invalid("At least one prompt is required")
	}
	if len(texts) > most {
		return invalid("Batch size %d exceeds maximum of %d", len(texts), most)
	}
	return nil
}

// tokenStrings decodes each token alone.
func (w *world) tokenStrings(ids []int) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = w.tokenizer.TokenString(id)
	}
	return texts
}

// special marks the special tokens.
func (w *world) special(ids []int) []bool {
	marks := make([]bool, len(ids))
	for i, id := range ids {
		marks[i] = w.tokenizer.IsSpecial(id)
	}
	return marks
}
