package sae

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/weights"
)

func TestGoldenSAEErrors(t *testing.T) {
	dir := golden.Dir(t, filepath.Join("sae", "errors"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) {
			var c goldenCase
			golden.ReadJSON(t, filepath.Join(dir, entry.Name(), "case.json"), &c)
			checkGoldenError(t, c, diskFiles(filepath.Join(dir, entry.Name(), "repo")))
		})
	}
}

// mayLoad names the cases that npinf reads although the case's wish is a refusal or open:
// sizes come from the arrays, and two layouts that SAELens cannot read are unambiguous.
var mayLoad = []string{"npz_declared_sizes_differ", "dl_autoencoder_new", "sparsify_released_layout"}

func checkGoldenError(t *testing.T, c goldenCase, files weights.Files) {
	row := c.row()
	row.Release = "case"
	source, err := Load(t.Context(), files, row, LoadOptions{Device: testDevice(t), DType: "float32"})
	name := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	loads := strings.HasPrefix(c.Wanted, "loads") || c.Wanted == "as NaN" || slices.Contains(mayLoad, name)
	if loads {
		if err != nil {
			t.Fatalf("wanted: %s; got %v", c.Wanted, err)
		}
		x := source.device.Upload(2, source.Width, make([]float32, 2*source.Width))
		encodeDense(source, source.device, x)
		source.Close()
		return
	}
	if err == nil {
		t.Fatalf("loaded; wanted: %s", c.Wanted)
	}
	if text := err.Error(); !strings.Contains(text, c.Repo) || !strings.Contains(text, c.Path) {
		t.Errorf("%q names neither repository nor path", text)
	}
	t.Log(err)
}

// packedFiles is a repository of the golden hub, whose larger files are compressed.
type packedFiles struct {
	t      *testing.T
	folder string
}

func (p packedFiles) Has(path string) bool { return golden.Exists(filepath.Join(p.folder, path)) }

func (p packedFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	return golden.ReadFile(p.t, filepath.Join(p.folder, path)), func() {}, nil
}

// TestGoldenHubSources loads every registered source whose files the golden hub has. Their
// sizes are far from the real ones, and their configurations say the real ones' model names.
func TestGoldenHubSources(t *testing.T) {
	hub := golden.Dir(t, "hub")
	device := testDevice(t)
	loaded := map[string]int{}
	for _, row := range openTestRegistry(t).Rows() {
		files := packedFiles{t, filepath.Join(hub, filepath.FromSlash(row.Repo))}
		list, err := Paths(row, files.Has)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(list, func(path string) bool { return !files.Has(path) }) {
			continue
		}
		source, err := Load(t.Context(), files, row, LoadOptions{Device: device, DType: "bfloat16"})
		if err != nil {
			t.Error(err)
			continue
		}
		if source.HookName == "" || (source.NeuronpediaID != row.NeuronpediaID() && source.NeuronpediaID != "") {
			t.Errorf("%s: hook %q, id %q", row.NeuronpediaID(), source.HookName, source.NeuronpediaID)
		}
		x := device.Upload(3, source.Width, make([]float32, 3*source.Width))
		checkConsistency(t, source, device, x)
		source.Close()
		loaded[row.Dialect]++
	}
	t.Log(loaded)
	if len(loaded) == 0 {
		t.Error("no source of the hub was loaded")
	}
}
