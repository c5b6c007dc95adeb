package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"npinf/internal/golden"
)

// realModels calls check for every recorded file of a trained model that matches pattern.
// The models lie in the folder that the environment variable NPINF_REAL_MODELS names.
func realModels(t *testing.T, pattern string, check func(t *testing.T, tokenizer *Tokenizer, path string)) {
	t.Helper()
	models := os.Getenv("NPINF_REAL_MODELS")
	if models == "" {
		golden.Missing(t, "NPINF_REAL_MODELS does not name the folder of the real models")
	}
	recorded, _ := filepath.Glob(filepath.Join(golden.Dir(t, "real"), "*", pattern))
	if len(recorded) == 0 {
		golden.Missing(t, "nothing recorded of real models")
	}
	for _, path := range recorded {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(models, name)
			if !golden.Exists(filepath.Join(folder, "tokenizer.json")) {
				golden.Missing(t, "no tokenizer.json in "+folder)
			}
			check(t, loadFolder(t, folder), path)
		})
	}
}

func TestGoldenRealTokenizers(t *testing.T) {
	realModels(t, "tokens.json*", checkRecorded)
}

// TestGoldenRealPrompts checks the ids of the prompts that the models were run on, and the
// text of what they generated, decoded whole and as it came.
func TestGoldenRealPrompts(t *testing.T) {
	realModels(t, "expected.json*", func(t *testing.T, tokenizer *Tokenizer, path string) {
		var expected struct {
			Cases []struct {
				ID, Text   string
				Messages   []any
				IDs        []int
				GreedyIDs  []int  `json:"greedy_ids"`
				GreedyText string `json:"greedy_text"`
			}
		}
		golden.ReadJSON(t, path, &expected)
		if len(expected.Cases) == 0 {
			t.Fatalf("%s holds no cases", path)
		}
		for _, c := range expected.Cases {
			// A chat template writes its own special tokens, also where they double as BOS.
			ids := tokenizer.Encode(c.Text, c.Messages == nil)
			if !slices.Equal(ids, c.IDs) {
				t.Errorf("%s: ids %v, want %v", c.ID, ids, c.IDs)
			}
			checkDecode(t, tokenizer, c.GreedyIDs, false, c.GreedyText)
		}
	})
}
