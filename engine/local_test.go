package engine

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/hub"
)

// oneRepo is a hub that has one repository, a folder.
type oneRepo struct{ folder, repo, revision string }

func (o oneRepo) Open(_ context.Context, name, revision string) (hub.Snapshot, error) {
	if name != o.repo || revision != o.revision {
		return nil, &hub.Error{Kind: hub.NotFound, Message: "no " + name + "@" + revision}
	}
	return hub.OpenFolder(o.folder)
}

func TestParseHubPlace(t *testing.T) {
	for place, want := range map[string][3]string{
		"hf:a/b":                  {"a/b", "", ""},
		"hf:a/b/":                 {"a/b", "", ""},
		"hf:a/b/c/d.pt@main":      {"a/b", "c/d.pt", "main"},
		"hf:a/b@refs/pr/1":        {"a/b", "", "refs/pr/1"},
		"hf:a/b/layer_1//x/@v1.0": {"a/b", "layer_1/x", "v1.0"},
	} {
		repo, below, revision, err := parseHubPlace(place)
		if got := [3]string{repo, below, revision}; err != nil || got != want {
			t.Errorf("%s: %q, %v", place, got, err)
		}
	}
	for _, place := range []string{"hf:", "hf:a", "hf:/a", "hf:a/b@", "hf:a//b"} {
		if repo, _, _, err := parseHubPlace(place); err == nil {
			t.Errorf("%s was read as %s", place, repo)
		}
	}
}

// writeTinySource puts the files of a source that belongs to the tiny model into a folder.
func writeTinySource(t *testing.T, folder string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	files := tinySAE(t, "ignored", "blocks.1.hook_resid_post", 8, nil).Files
	for _, file := range files.Files() {
		content, release, err := files.Read(t.Context(), file.Path)
		if err != nil {
			t.Fatal(err)
		}
		content = []byte(strings.ReplaceAll(string(content), "tiny/ignored", ""))
		if err := os.WriteFile(filepath.Join(folder, file.Path), content, 0o644); err != nil {
			t.Fatal(err)
		}
		release()
	}
}

func TestHubSources(t *testing.T) {
	folder := t.TempDir()
	writeTinySource(t, filepath.Join(folder, "sub", "1-one"))
	writeTinySource(t, filepath.Join(folder, "sub", "0-two"))
	config, _ := tinyConfig(t)
	config.Hub = oneRepo{folder, "me/sources", "v2"}
	config.SourceFolders = []string{"hf:me/sources/sub@v2"}
	e := loadTiny(t, config)
	sets, err := e.SourceSets()
	if err != nil || !slices.ContainsFunc(sets, func(s SourceSet) bool { return slices.Equal(s.Sources, []string{"1-one"}) }) ||
		!slices.ContainsFunc(sets, func(s SourceSet) bool { return slices.Equal(s.Sources, []string{"0-two"}) }) {
		t.Fatalf("%+v, %v", sets, err)
	}
	if _, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{"abc"}, Source: "0-two", K: 2}); err != nil {
		t.Error(err)
	}
	for place, want := range map[string]string{
		"hf:me/sources/sib@v2": "has no sib; did you mean sub",
		"hf:me/sources":        "no me/sources@",
		"hf:me":                "write hf:owner/repo",
	} {
		config.SourceFolders = []string{place}
		if err := New(config).Load(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want an error with %q, got %v", place, want, err)
		}
	}
}

// TestFolderInsideARepository names one source of a dialect that needs the names above it.
func TestFolderInsideARepository(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "gemma-scope-2b-pt-res", "layer_3", "width_16k", "average_l0_5")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "params.npz"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	e := New(Config{SourceFolders: []string{folder}})
	found, err := e.openSources(t.Context(), &world{}, folder)
	if err != nil || len(found) != 1 || found[0].Row.Dialect != "gemma_2" || found[0].Row.Source != "layer_3-width_16k-average_l0_5" {
		t.Errorf("%+v, %v", found, err)
	}
}
