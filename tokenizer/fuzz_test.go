package tokenizer

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

// fuzzedBytesPerByte bounds what reading a file may allocate: so many bytes for each of its
// own, and the base for tables that every tokenizer has.
const fuzzedBytesPerByte, fuzzedBase = 400, 32 << 20

// loadWithin loads a tokenizer and fails the test when that took more memory than a file of
// this size can need.
func loadWithin(t *testing.T, files Files) (*Tokenizer, error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tokenizer, err := Load(files)
	runtime.ReadMemStats(&after)
	size := len(files.Tokenizer) + len(files.Config) + len(files.GPT2Vocab) + len(files.GPT2Merges)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(size*fuzzedBytesPerByte+fuzzedBase); got > most {
		t.Errorf("%d bytes of files took %d bytes of memory", size, got)
	}
	return tokenizer, err
}

// FuzzLoad feeds damaged tokenizer.json and tokenizer_config.json: an error or a tokenizer
// whose ids are its own, never a panic.
func FuzzLoad(f *testing.F) {
	for _, s := range readSynthetic(f) {
		if len(s.Tokenizer) < 4000 {
			f.Add([]byte(s.Tokenizer), []byte(`{"bos_token":"<s>","add_bos_token":true}`), "hello wörld\x00 12345")
		}
	}
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`), []byte(`{}`), "ab")
	f.Fuzz(func(t *testing.T, document, config []byte, text string) {
		tokenizer, err := loadWithin(t, Files{Tokenizer: document, Config: config})
		if err != nil || len(text) > 4096 {
			return
		}
		ids := tokenizer.Encode(text, true)
		tokenizer.Decode(ids, false)
		for _, id := range ids {
			tokenizer.TokenString(id)
		}
	})
}

// TestEvilDocuments are files whose numbers ask for more than the files hold.
func TestEvilDocuments(t *testing.T) {
	bpe := func(vocabulary, rest string) string {
		return `{"model":{"type":"BPE","vocab":` + vocabulary + `,"merges":[]` + rest + `}`
	}
	for _, document := range []string{
		bpe(`{"a":4294967295}`, "}"),
		bpe(`{"a":999999999999}`, "}"),
		bpe(`{"a":16777216}`, "}"),
		bpe(`{"a":-1}`, "}"),
		bpe(`{"a":0}`, `},"added_tokens":[{"id":2147483647,"content":"x","special":true}]`),
		bpe(`{"a":0}`, `},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a{1000}){1000}"},"behavior":"Isolated","invert":false}`),
		bpe(`{"a":0}`, `},"normalizer":`+strings.Repeat(`{"type":"Sequence","normalizers":[`, 2000)),
		strings.Repeat("[", 100_000),
	} {
		if _, err := loadWithin(t, Files{Tokenizer: []byte(document)}); err == nil && !json.Valid([]byte(document)) {
			t.Errorf("%.80s was loaded", document)
		}
	}
}
