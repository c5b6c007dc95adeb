package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/sae"
)

func TestDefaultSets(t *testing.T) {
	set := func(name string, sources int) sae.Set { return sae.Set{Name: name, Sources: make([]sae.Row, sources)} }
	for _, test := range []struct {
		sets []sae.Set
		want []string
	}{
		{nil, nil},
		{[]sae.Set{set("att-kk", 12), set("res-x", 1), set("res-jb", 13), set("res-y", 13)}, []string{"res-jb"}},
		{[]sae.Set{set("transcoder-a", 3), set("transcoder-b", 4)}, []string{"transcoder-b"}},
	} {
		if got := defaultSets(test.sets); !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.sets, got, test.want)
		}
	}
}

// TestCatalogueOfTheRegistry uses released sources, which need no files to be named.
func TestCatalogueOfTheRegistry(t *testing.T) {
	registry, err := sae.OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	config := Config{ModelID: "openai-community/gpt2", Registry: registry, SourceSets: []string{"res-jb att-kk", "unknown"}, Exclude: []string{"^1[0-2]-"}}
	c, err := newCatalogue(&config, nil, 12)
	if err != nil {
		t.Fatal(err)
	}
	if names := c.setNames(); !slices.Equal(names, []string{"att-kk", "res-jb"}) {
		t.Errorf("sets %v", names)
	}
	if ids, ok := c.set("res-jb"); !ok || len(ids) != 10 || ids[9] != "9-res-jb" {
		t.Errorf("res-jb: %v", ids)
	}
	if ids, ok := c.set("neurons"); !ok || len(ids) != 12 || ids[11] != "11" {
		t.Errorf("neurons: %v", ids)
	}
	if _, ok := c.set("unknown"); ok {
		t.Error("an unknown set was found")
	}
	for id, want := range map[string]string{
		"5-res-jb": "", "0": "", "11": "", "12": "out of", "99999999999999999999": "out of", "05": "Found 0 entries",
		"11-res-jb": "--any-source", "3-res_mid_32k-oai": "SAE_SETS", "99-res-jb": "Found 0 entries when searching for gpt2-small/99-res-jb", "": "Found 0 entries",
	} {
		_, err := c.lookup(id)
		if (want == "") != (err == nil) || (err != nil && (codeOf(t, err) != Invalid || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), id))) {
			t.Errorf("%q: want %q, got %v", id, want, err)
		}
	}
	c.any = true
	if e, err := c.lookup("11-res-jb"); err != nil || e.row.Repo == "" {
		t.Errorf("any source: %+v, %v", e, err)
	}
}

func TestSourceFolders(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "1-mine")
	writeTinySource(t, folder)
	config, _ := tinyConfig(t)
	config.SourceFolders = []string{folder}
	e := loadTiny(t, config)
	sets, err := e.SourceSets()
	if err != nil || len(sets) != 3 || sets[2].Name != "mine" || !slices.Equal(sets[2].Sources, []string{"1-mine"}) {
		t.Fatalf("%+v, %v", sets, err)
	}
	if _, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{"abc"}, Source: "1-mine", K: 2}); err != nil {
		t.Error(err)
	}
	_, err = e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{"abc"}, Source: "1-mien", K: 2})
	if err == nil || !strings.Contains(err.Error(), "did you mean 1-mine") {
		t.Errorf("a misspelt source of a folder: %v", err)
	}
	config.SourceFolders = []string{folder, filepath.Dir(folder)}
	if err := New(config).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "both hold a source 1-mine") {
		t.Errorf("one source in two folders: %v", err)
	}
	config.SourceFolders = []string{t.TempDir()}
	if err := New(config).Load(t.Context()); err == nil {
		t.Error("a folder without sources was accepted")
	}
}

func TestAvailableMemory(t *testing.T) {
	root := t.TempDir()
	write := func(path, content string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := availableMemory(root); got != 0 {
		t.Errorf("unknown system: %d", got)
	}
	write("proc/meminfo", "MemTotal:  100 kB\nMemAvailable:   40 kB\n")
	write("sys/fs/cgroup/memory.max", "max\n")
	if got := availableMemory(root); got != 40<<10 {
		t.Errorf("no limit: %d", got)
	}
	write("sys/fs/cgroup/memory.max", "30000\n")
	write("sys/fs/cgroup/memory.current", "25000\n")
	write("sys/fs/cgroup/memory.stat", "anon 1\nfile 10000\n")
	if got := availableMemory(root); got != 15000 {
		t.Errorf("limited: %d", got)
	}
}
