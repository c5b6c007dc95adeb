package tokenizer

import (
	"maps"
	"slices"
)

// role returns id and text of a named special token.
func (t *Tokenizer) role(name string) (id int, text string, ok bool) {
	text, ok = t.named[name]
	if !ok {
		return 0, "", false
	}
	id, ok = t.TokenID(text)
	return id, text, ok
}

// BOS returns the token that begins a sequence; ok is false if there is none (Qwen).
func (t *Tokenizer) BOS() (id int, text string, ok bool) { return t.role("bos_token") }

// EOS returns the token that ends a sequence.
func (t *Tokenizer) EOS() (id int, text string, ok bool) { return t.role("eos_token") }

// Unknown returns the token for what the vocabulary lacks.
func (t *Tokenizer) Unknown() (id int, text string, ok bool) { return t.role("unk_token") }

// Pad returns the padding token; without one of its own EOS serves, then BOS.
func (t *Tokenizer) Pad() (id int, text string, ok bool) {
	for _, name := range []string{"pad_token", "eos_token", "bos_token"} {
		if id, text, ok = t.role(name); ok {
			return id, text, true
		}
	}
	return 0, "", false
}

// SpecialTokens returns the texts of the named special tokens by role ("bos_token", …), as
// chat templates see them: the padding token always, as what serves for it.
func (t *Tokenizer) SpecialTokens() map[string]string {
	roles := maps.Clone(t.named)
	if _, text, ok := t.Pad(); ok {
		roles["pad_token"] = text
	}
	return roles
}

// PrependsBOS reports whether Encode with special tokens makes ids of the empty text, by
// which the reference tells that a tokenizer brings its own BOS.
func (t *Tokenizer) PrependsBOS() bool { return len(t.frame.before)+len(t.frame.after) > 0 }

// IsSpecial reports whether an id has a role: one of the named special tokens or of the
// configuration's extra ones. Not every added token marked special is among them.
func (t *Tokenizer) IsSpecial(id int) bool {
	_, ok := slices.BinarySearch(t.specialIDs, id)
	return ok
}

// AddedTokens returns the added tokens by ascending id.
func (t *Tokenizer) AddedTokens() []AddedToken { return slices.Clone(t.added.list) }

// TokenID returns the id of exactly this token as the vocabulary spells it ("Ġthe", "▁the")
// or of the added token with this content.
func (t *Tokenizer) TokenID(text string) (int, bool) {
	if i, ok := t.added.byContent[text]; ok {
		return t.added.list[i].ID, true
	}
	id := t.model.vocab.id(text)
	return int(id), id >= 0
}

// token returns the spelling of an id in the vocabulary or among the added tokens.
func (t *Tokenizer) token(id int) (string, bool) {
	if i, ok := t.added.byID[id]; ok {
		return t.added.list[i].Content, true
	}
	return t.model.vocab.text(id)
}

// Size returns the number of tokens, added tokens included.
func (t *Tokenizer) Size() int {
	n := t.model.vocab.count
	for _, token := range t.added.list {
		if t.model.vocab.id(token.Content) < 0 {
			n++
		}
	}
	return n
}

// idLimit returns 1 more than the largest id.
func (t *Tokenizer) idLimit() int {
	limit := len(t.model.vocab.spans)
	if n := len(t.added.list); n > 0 {
		limit = max(limit, t.added.list[n-1].ID+1)
	}
	return limit
}

// ChatTemplate returns the source of the chat template, "" if there is none.
func (t *Tokenizer) ChatTemplate() string { return t.template }
