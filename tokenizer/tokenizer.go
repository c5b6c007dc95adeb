// Package tokenizer turns text into token ids and back as Hugging Face's tokenizers library
// does, from the tokenizer.json of a model repository. It reads byte pair encoding models,
// byte-level (GPT-2, Llama 3, Qwen, gpt-oss) and with byte fallback (Gemma, Llama 2,
// Mistral). A part of tokenizer.json that is not implemented is an error at load, since
// leaving it out would give wrong ids in silence.
package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Files holds the contents of the files of a model repository that describe its tokenizer.
// Tokenizer is required, or else GPT2Vocab and GPT2Merges.
type Files struct {
	Tokenizer        []byte // tokenizer.json
	Config           []byte // tokenizer_config.json
	SpecialTokensMap []byte // special_tokens_map.json
	ChatTemplate     []byte // chat_template.jinja; wins over the template in Config
	GPT2Vocab        []byte // vocab.json, read when Tokenizer is empty
	GPT2Merges       []byte // merges.txt, read when Tokenizer is empty
	// ModelType is the model_type of config.json ("gpt2"). It chooses the special tokens
	// of repositories whose Config names neither them nor a tokenizer_class.
	ModelType string
}

// Tokenizer encodes and decodes texts. It does not change once loaded and is safe for use
// by many goroutines.
type Tokenizer struct {
	model       *bpe
	added       *addedTokens
	normalize   normalizer   // nil for none
	pretokenize pretokenizer // nil for none
	frame       frame
	decoder     []newStage
	named       map[string]string // special tokens by role
	specialIDs  []int             // sorted
	template    string
	texts       []atomic.Pointer[string] // TokenString by id, nil until asked for
}

// Load builds a tokenizer. An error names the file and the part of it that is wrong or not
// supported.
func Load(files Files) (*Tokenizer, error) {
	type configured struct {
		configuration
		err error
	}
	config := make(chan configured, 1)
	go func() { // Gemma's configuration is a megabyte: read it beside the rest
		c, err := parseConfiguration(files)
		config <- configured{c, err}
	}()
	d, err := readDocument(files)
	c := <-config
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := assemble(d, c.configuration, files)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}

func readDocument(files Files) (*document, error) {
	if len(files.Tokenizer) > 0 {
		d, err := parseDocument(files.Tokenizer)
		if err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
		return d, nil
	}
	if len(files.GPT2Vocab) > 0 && len(files.GPT2Merges) > 0 {
		return gpt2Document(files.GPT2Vocab, files.GPT2Merges)
	}
	return nil, fmt.Errorf("neither tokenizer.json nor vocab.json with merges.txt is there; use a repository that has tokenizer.json")
}

// assemble joins the parts into a tokenizer.
func assemble(d *document, c configuration, files Files) (t *Tokenizer, err error) {
	t = &Tokenizer{model: d.model, added: newAddedTokens()}
	if t.normalize, err = parseNormalizer(d.normalizer); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if t.pretokenize, err = parsePretokenizer(d.pretokenizer); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if t.frame, err = parsePostprocessor(d.postprocessor); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	if t.decoder, err = parseDecoder(d.decoder); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	special, err := c.special(t.className(c, files))
	if err != nil {
		return nil, err
	}
	t.addTokens(d.added, special)
	if t.template, err = c.chatTemplate(files.ChatTemplate); err != nil {
		return nil, err
	}
	t.named = special.named
	t.collectSpecialIDs(special)
	t.texts = make([]atomic.Pointer[string], t.idLimit())
	return t, nil
}

// className returns the transformers class that the tokenizer would be loaded with, for
// its default special tokens. GPT-2's vocabulary alone is unmistakable enough.
func (t *Tokenizer) className(c configuration, files Files) string {
	if class := c.class(); class != "" {
		return class
	}
	if class := modelClasses[files.ModelType]; class != "" {
		return class
	}
	isGPT2 := t.model.vocab.count == 50257 && t.model.vocab.id("<|endoftext|>") == 50256
	if isGPT2 || len(files.Tokenizer) == 0 {
		return "GPT2Tokenizer"
	}
	return ""
}

// addTokens takes in the added tokens of tokenizer.json, then those that only the
// configuration knows. A token takes the id the vocabulary has for it, else the next free
// one behind the vocabulary.
func (t *Tokenizer) addTokens(fromFile []AddedToken, special specialTokens) {
	next := t.model.vocab.count
	add := func(token AddedToken) {
		if _, ok := t.added.byContent[token.Content]; ok || token.Content == "" {
			return
		}
		if id := t.model.vocab.id(token.Content); id >= 0 {
			token.ID = int(id)
		} else {
			token.ID = next
		}
		next = max(next, token.ID+1)
		t.added.put(token)
	}
	for _, token := range fromFile {
		add(token)
	}
	for _, token := range special.added {
		add(token)
	}
	for _, text := range special.all() {
		add(AddedToken{Content: text, Special: true})
	}
	t.added.finish(t.normalize)
}

// collectSpecialIDs gathers the ids with a role, and the padding id in its stead.
func (t *Tokenizer) collectSpecialIDs(special specialTokens) {
	for _, text := range special.all() {
		if id, ok := t.TokenID(text); ok {
			t.specialIDs = append(t.specialIDs, id)
		}
	}
	slices.Sort(t.specialIDs)
	t.specialIDs = slices.Compact(t.specialIDs)
}

// Encode returns the ids of a text. Added tokens that stand in the text become their ids;
// there is no escaping. With addSpecialTokens the post-processor of tokenizer.json adds
// what it adds, such as a BOS in front. Invalid UTF-8 is read as U+FFFD.
func (t *Tokenizer) Encode(text string, addSpecialTokens bool) []int {
	if !utf8.ValidString(text) {
		text = lossy([]byte(text))
	}
	ids := make([]int, 0, len(text)/3+4)
	if addSpecialTokens {
		ids = append(ids, t.frame.before...)
	}
	for _, p := range t.added.split(text, &t.added.raw) {
		if p.token >= 0 {
			ids = append(ids, t.added.list[p.token].ID)
		} else {
			ids = t.encodeRaw(ids, text[p.start:p.end], p.start == 0)
		}
	}
	if addSpecialTokens {
		ids = append(ids, t.frame.after...)
	}
	return ids
}

// encodeRaw normalizes a stretch without raw added tokens and looks for the normalized
// ones in it. first says that the whole text begins here.
func (t *Tokenizer) encodeRaw(ids []int, text string, first bool) []int {
	if t.normalize != nil {
		text = t.normalize(text)
	}
	for _, p := range t.added.split(text, &t.added.normalized) {
		if p.token >= 0 {
			ids = append(ids, t.added.list[p.token].ID)
			continue
		}
		pieces := []piece{{text[p.start:p.end], first && p.start == 0}}
		if t.pretokenize != nil {
			pieces = t.pretokenize(pieces)
		}
		for _, piece := range pieces {
			ids = t.model.appendIDs(ids, piece.text)
		}
	}
	return ids
}

// Prompt returns the ids of a model input. With prependBOS it begins with exactly one BOS
// more than the text itself asks for: none is added to a text that starts with the BOS
// string, and none by a tokenizer without BOS. Without prependBOS, nothing is put in front.
func (t *Tokenizer) Prompt(text string, prependBOS bool) []int {
	_, bos, ok := t.BOS()
	wanted := prependBOS && ok && !strings.HasPrefix(text, bos)
	if wanted && !t.PrependsBOS() {
		text = bos + text
	}
	ids := t.Encode(text, true)
	// A post-processor without a named BOS still adds what it adds.
	if !wanted && (ok || !prependBOS) {
		ids = ids[min(1, len(t.frame.before)):]
	}
	return ids
}
