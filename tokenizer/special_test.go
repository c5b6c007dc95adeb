package tokenizer

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"npinf/internal/golden"
)

// TestSpecialTokens compares special tokens with what transformers 5.14.1 makes of small
// repositories with all sorts of configuration files.
func TestSpecialTokens(t *testing.T) {
	var cases []struct {
		Name       string
		Tokenizer  json.RawMessage
		Config     json.RawMessage
		SpecialMap json.RawMessage `json:"special_map"`
		ModelType  string          `json:"model_type"`
		Texts      []string
		Expect     struct {
			BOS, EOS, Unk, Pad *int
			Special            []int
			Size               int
			Added              map[int]string
			Encoded            [][]int
			Skipped            []string
		}
	}
	golden.ReadJSON(t, filepath.Join(golden.ModuleRoot(t), "testdata", "tokenizers", "special.json.zst"), &cases)
	if len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			files := Files{Tokenizer: c.Tokenizer, Config: c.Config, ModelType: c.ModelType}
			if string(c.SpecialMap) != "null" {
				files.SpecialTokensMap = c.SpecialMap
			}
			tokenizer, err := Load(files)
			if err != nil {
				t.Fatal(err)
			}
			checkRole(t, "bos", tokenizer.BOS, c.Expect.BOS)
			checkRole(t, "eos", tokenizer.EOS, c.Expect.EOS)
			checkRole(t, "unk", tokenizer.Unknown, c.Expect.Unk)
			pad := c.Expect.Pad
			for _, fallback := range []*int{c.Expect.EOS, c.Expect.BOS} {
				if pad == nil {
					pad = fallback
				}
			}
			checkRole(t, "pad", tokenizer.Pad, pad)
			if got := tokenizer.specialIDs; !slices.Equal(got, c.Expect.Special) {
				t.Errorf("special ids %v, want %v", got, c.Expect.Special)
			}
			if got := tokenizer.Size(); got != c.Expect.Size {
				t.Errorf("size %d, want %d", got, c.Expect.Size)
			}
			if got := len(tokenizer.AddedTokens()); got != len(c.Expect.Added) {
				t.Errorf("%d added tokens, want %d", got, len(c.Expect.Added))
			}
			for _, token := range tokenizer.AddedTokens() {
				if c.Expect.Added[token.ID] != token.Content {
					t.Errorf("added token %d is %q, want %q", token.ID, token.Content, c.Expect.Added[token.ID])
				}
			}
			for i, text := range c.Texts {
				ids := tokenizer.Encode(text, true)
				if !slices.Equal(ids, c.Expect.Encoded[i]) {
					t.Errorf("%q: ids %v, want %v", text, ids, c.Expect.Encoded[i])
				}
				if got := tokenizer.Decode(ids, true); got != c.Expect.Skipped[i] {
					t.Errorf("%q without special tokens: %q, want %q", text, got, c.Expect.Skipped[i])
				}
			}
		})
	}
}

func checkRole(t *testing.T, name string, role func() (int, string, bool), want *int) {
	t.Helper()
	id, text, ok := role()
	if ok != (want != nil) || ok && id != *want {
		t.Errorf("%s is %d %q %v, want %v", name, id, text, ok, want)
	}
}
