package golden

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestDirTakesTheFolderFromTheEnvironment(t *testing.T) {
	root := t.TempDir()
	t.Setenv(FolderVariable, root)
	want := filepath.Join(root, "models")
	write(t, filepath.Join(want, "a.json"), []byte("{}"))
	if got := Dir(t, "models"); got != want {
		t.Errorf("Dir = %s, want %s", got, want)
	}
}

func TestDirSkipsWhenEmpty(t *testing.T) {
	t.Setenv(FolderVariable, t.TempDir())
	t.Setenv(RequireVariable, "")
	skipped := false
	t.Run("inner", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		Dir(t, "")
	})
	if !skipped {
		t.Error("an empty golden folder did not skip the test")
	}
}

func TestModuleRootHoldsGoMod(t *testing.T) {
	if _, err := os.Stat(filepath.Join(ModuleRoot(t), "go.mod")); err != nil {
		t.Error(err)
	}
}

func TestReadFileDecompresses(t *testing.T) {
	dir, want := t.TempDir(), []byte(`{"answer":[1,2,3]}`)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(want)
	w.Close()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "plain.json"), want)
	write(t, filepath.Join(dir, "g.json.gz"), gz.Bytes())
	write(t, filepath.Join(dir, "z.json.zst"), encoder.EncodeAll(want, nil))
	for _, name := range []string{"plain.json", "g.json.gz", "z.json.zst", "g.json", "z.json"} {
		path := filepath.Join(dir, name)
		if !Exists(path) {
			t.Errorf("%s: not found", name)
		}
		if got := ReadFile(t, path); !bytes.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		var v struct{ Answer []int }
		if ReadJSON(t, path, &v); len(v.Answer) != 3 || v.Answer[2] != 3 {
			t.Errorf("%s: decoded %v", name, v)
		}
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
