package tokenizer

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"npinf/internal/golden"
)

// synthetic is a small tokenizer trained for these tests, with what the Rust library
// (tokenizers 0.22.2) makes of random texts and random ids.
type synthetic struct {
	Name      string
	Tokenizer json.RawMessage
	Cases     []struct {
		Text       string
		IDs        []int
		SpecialIDs []int `json:"special_ids"`
		Decoded    string
		Skipped    string // special_ids decoded without special tokens
	}
	Decodes []struct {
		IDs     []int
		Decoded string
		Skipped string
	}
}

// readSynthetic returns the tokenizers, which between them use every component.
func readSynthetic(t testing.TB) []synthetic {
	t.Helper()
	var all []synthetic
	golden.ReadJSON(t, filepath.Join(golden.ModuleRoot(t), "testdata", "tokenizers", "synthetic.json.zst"), &all)
	if len(all) == 0 {
		t.Fatal("no synthetic tokenizers")
	}
	return all
}

func TestSyntheticTokenizers(t *testing.T) {
	for _, s := range readSynthetic(t) {
		t.Run(s.Name, func(t *testing.T) {
			tokenizer, err := Load(Files{Tokenizer: s.Tokenizer})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range s.Cases {
				if ids := tokenizer.Encode(c.Text, false); !slices.Equal(ids, c.IDs) {
					t.Errorf("%q:\n ids %v\nwant %v", c.Text, ids, c.IDs)
				}
				if ids := tokenizer.Encode(c.Text, true); !slices.Equal(ids, c.SpecialIDs) {
					t.Errorf("%q with special tokens:\n ids %v\nwant %v", c.Text, ids, c.SpecialIDs)
				}
				checkDecode(t, tokenizer, c.IDs, false, c.Decoded)
				checkDecode(t, tokenizer, c.SpecialIDs, true, c.Skipped)
			}
			for _, c := range s.Decodes {
				checkDecode(t, tokenizer, c.IDs, false, c.Decoded)
				checkDecode(t, tokenizer, c.IDs, true, c.Skipped)
			}
		})
	}
}

// checkDecode compares whole and incremental decoding with the expected text.
func checkDecode(t *testing.T, tokenizer *Tokenizer, ids []int, skip bool, want string) {
	t.Helper()
	if got := tokenizer.Decode(ids, skip); got != want {
		t.Errorf("%v decoded (skip %v):\n  %q\nwant %q", ids, skip, got, want)
	}
	d := tokenizer.NewDecoder()
	d.SkipSpecial = skip
	got := ""
	for _, id := range ids {
		got += d.Push(id)
	}
	if got += d.Flush(); got != want {
		t.Errorf("%v pushed one by one (skip %v):\n  %q\nwant %q", ids, skip, got, want)
	}
}
