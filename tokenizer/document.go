package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// document is tokenizer.json taken apart: the model parsed, the small stages still JSON.
type document struct {
	added         []AddedToken
	normalizer    json.RawMessage
	pretokenizer  json.RawMessage
	postprocessor json.RawMessage
	decoder       json.RawMessage
	model         *bpe
}

// parseDocument reads tokenizer.json. The added tokens (thousands in Gemma) are decoded
// beside the model.
func parseDocument(data []byte) (*document, error) {
	var d document
	var addedErr error
	var wait sync.WaitGroup
	s := &scanner{data: data}
	s.expect('{')
	for first := true; s.more('}', first); first = false {
		switch key := s.key(); key {
		case "added_tokens":
			raw := s.skip()
			wait.Go(func() { addedErr = json.Unmarshal(raw, &d.added) })
		case "normalizer":
			d.normalizer = s.skip()
		case "pre_tokenizer":
			d.pretokenizer = s.skip()
		case "post_processor":
			d.postprocessor = s.skip()
		case "decoder":
			d.decoder = s.skip()
		case "model":
			model, err := parseModel(s)
			if err != nil {
				wait.Wait()
				return nil, fmt.Errorf("model: %w", err)
			}
			d.model = model
		default:
			s.skip() // version; truncation and padding do not apply here
		}
	}
	wait.Wait()
	switch {
	case s.err != nil:
		return nil, s.err
	case addedErr != nil:
		return nil, fmt.Errorf("added_tokens: %w", addedErr)
	case d.model == nil:
		return nil, fmt.Errorf("no model")
	}
	return &d, nil
}

// modelSettings are the small fields of a BPE model.
type modelSettings struct {
	Type         string
	Dropout      *float64
	Unknown      string `json:"unk_token"`
	Prefix       string `json:"continuing_subword_prefix"`
	Suffix       string `json:"end_of_word_suffix"`
	FuseUnknown  bool   `json:"fuse_unk"`
	ByteFallback bool   `json:"byte_fallback"`
	IgnoreMerges bool   `json:"ignore_merges"`
}

// modelReader gathers the parts of the model object, whatever their order.
type modelReader struct {
	settings modelSettings
	vocab    *vocabulary
	merges   [][]merge
	mergesAt int    // where the merges stand, 0 if there are none
	prefix   string // the prefix that merges were read with
}

// parseModel reads the model object at the scanner.
func parseModel(s *scanner) (*bpe, error) {
	var r modelReader
	small := []byte{'{'} // the object without its two large members
	s.expect('{')
	for first := true; s.more('}', first); first = false {
		key := s.key()
		var err error
		switch key {
		case "vocab":
			if s.peek() != '{' {
				return nil, fmt.Errorf("vocab is not an object: only BPE models are supported")
			}
			r.vocab, err = parseVocabulary(s)
		case "merges":
			s.peek()
			err = r.readMerges(s, small)
		default:
			name, _ := json.Marshal(key)
			small = append(append(append(append(small, name...), ':'), s.skip()...), ',')
		}
		if err != nil {
			return nil, err
		}
	}
	if s.err != nil {
		return nil, s.err
	}
	if err := r.readSettings(small); err != nil {
		return nil, err
	}
	return r.finish(s.data)
}

// readSettings decodes the small members seen so far.
func (r *modelReader) readSettings(small []byte) error {
	return json.Unmarshal(append(bytes.TrimSuffix(bytes.Clone(small), []byte{','}), '}'), &r.settings)
}

// readMerges parses the merges at once if the vocabulary came before them, else it only
// notes their place.
func (r *modelReader) readMerges(s *scanner, small []byte) (err error) {
	r.mergesAt = s.pos
	if r.vocab == nil {
		s.skip()
		return nil
	}
	if err := r.readSettings(small); err != nil {
		return err
	}
	r.prefix = r.settings.Prefix
	r.merges, err = parseMerges(s, r.vocab, len(r.prefix))
	return err
}

func (r *modelReader) finish(data []byte) (*bpe, error) {
	if t := r.settings.Type; t != "BPE" && t != "" {
		return nil, fmt.Errorf("type %q is not supported, only BPE is", t)
	}
	if r.vocab == nil || r.mergesAt == 0 {
		return nil, fmt.Errorf("a BPE model needs vocab and merges")
	}
	if r.merges == nil || r.prefix != r.settings.Prefix {
		var err error
		if r.merges, err = parseMerges(&scanner{data: data, pos: r.mergesAt}, r.vocab, len(r.settings.Prefix)); err != nil {
			return nil, err
		}
	}
	return newBPE(r.settings, r.vocab, newMergeTable(r.merges))
}

func newBPE(settings modelSettings, vocab *vocabulary, merges *mergeTable) (*bpe, error) {
	m := &bpe{
		vocab: vocab, merges: merges, unknown: -1,
		fuseUnknown: settings.FuseUnknown, ignoreMerges: settings.IgnoreMerges,
		prefix: settings.Prefix, suffix: settings.Suffix,
	}
	if settings.Dropout != nil && *settings.Dropout != 0 {
		return nil, fmt.Errorf("dropout %v is not supported: encoding would be random", *settings.Dropout)
	}
	if settings.Unknown != "" {
		if m.unknown = vocab.id(settings.Unknown); m.unknown < 0 {
			return nil, fmt.Errorf("unk_token %q is not in the vocabulary", settings.Unknown)
		}
	}
	if settings.ByteFallback {
		m.byteIDs = byteFallbackIDs(vocab)
	}
	return m, nil
}

// gpt2Document builds what tokenizer.json would hold for a GPT-2 style pair of vocab.json
// and merges.txt.
func gpt2Document(vocabJSON, mergesText []byte) (*document, error) {
	vocab, err := parseVocabulary(&scanner{data: vocabJSON})
	if err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	p := &mergeParser{vocab: vocab}
	var merges []merge
	for line := range bytes.Lines(mergesText) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || bytes.HasPrefix(line, []byte("#version")) {
			continue
		}
		m, err := p.line(line)
		if err != nil {
			return nil, fmt.Errorf("merges.txt: %w", err)
		}
		merges = append(merges, m)
	}
	model, err := newBPE(modelSettings{}, vocab, newMergeTable([][]merge{merges}))
	if err != nil {
		return nil, err
	}
	byteLevel := json.RawMessage(`{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}`)
	return &document{model: model, pretokenizer: byteLevel, decoder: byteLevel}, nil
}
