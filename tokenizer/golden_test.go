package tokenizer

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"
)

// recorded is a text with the ids and the decoded text of the reference.
type recorded struct {
	Text    string
	IDs     []int
	Decoded string
}

// loadFolder loads the tokenizer of a folder of repository files, compressed or not.
func loadFolder(t testing.TB, dir string) *Tokenizer {
	t.Helper()
	tokenizer, err := Load(folderFiles(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

func folderFiles(t testing.TB, dir string) Files {
	t.Helper()
	read := func(name string) []byte {
		if !golden.Exists(filepath.Join(dir, name)) {
			return nil
		}
		return golden.ReadFile(t, filepath.Join(dir, name))
	}
	return Files{Tokenizer: read("tokenizer.json"), Config: read("tokenizer_config.json"),
		SpecialTokensMap: read("special_tokens_map.json"), ChatTemplate: read("chat_template.jinja")}
}

func TestGoldenTokenizers(t *testing.T) {
	dir := golden.Dir(t, "tokenizer")
	files, err := filepath.Glob(filepath.Join(dir, "*.json*"))
	if err != nil || len(files) == 0 {
		golden.Missing(t, "no recorded tokenizations in "+dir)
	}
	for _, path := range files {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(dir, "..", "..", "tokenizers", name)
			if !golden.Exists(filepath.Join(folder, "tokenizer.json")) {
				golden.Missing(t, "no tokenizer.json in "+folder)
			}
			checkRecorded(t, loadFolder(t, folder), path)
		})
	}
}

// checkRecorded compares every case of a file.
func checkRecorded(t *testing.T, tokenizer *Tokenizer, path string) {
	t.Helper()
	var cases []recorded
	golden.ReadJSON(t, path, &cases)
	if len(cases) == 0 {
		t.Fatalf("%s holds no cases", path)
	}
	wrong := 0
	for _, c := range cases {
		ids := tokenizer.Encode(c.Text, false)
		decoded := tokenizer.Decode(c.IDs, false)
		if slices.Equal(ids, c.IDs) && decoded == c.Decoded {
			continue
		}
		if wrong++; wrong <= 5 {
			t.Errorf("%q:\n ids %v\nwant %v\ndecoded %q\n   want %q", c.Text, ids, c.IDs, decoded, c.Decoded)
		}
	}
	t.Logf("%d of %d cases right", len(cases)-wrong, len(cases))
	if wrong > 5 {
		t.Errorf("%d cases wrong in all", wrong)
	}
}
