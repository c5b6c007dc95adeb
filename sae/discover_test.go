package sae

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"
)

// found runs Discover over files in memory.
func found(t *testing.T, name, below string, files map[string]string) (Found, error) {
	t.Helper()
	registry, err := OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	all := &memoryFiles{content: map[string][]byte{}}
	for file, text := range files {
		all.content[file] = []byte(text)
	}
	return Discover(t.Context(), registry, Listing{Files: all, Paths: slices.Sorted(maps.Keys(files)), Name: name, Below: below})
}

func TestDiscoverNamesSources(t *testing.T) {
	native := func(folders ...string) map[string]string {
		files := map[string]string{"readme.md": ""}
		for _, folder := range folders {
			files[folder+"cfg.json"], files[folder+"sae_weights.safetensors"] = `{}`, ""
		}
		return files
	}
	stated := native("b/")
	stated["b/cfg.json"] = `{"metadata":{"neuronpedia_id":"gpt2-small/3-res-x"}}`
	scope := map[string]string{"layer_3/width_16k/average_l0_1/params.npz": "", "layer_4/width_16k/average_l0_1/params.npz": ""}
	for name, c := range map[string]struct {
		name, below string
		files       map[string]string
		ids, paths  []string
	}{
		"folders":        {"/data/own", "", native("a/2-own/", "3-own/"), []string{"3-own", "2-own"}, []string{"3-own", "a/2-own"}},
		"one folder":     {"/data/7-mine", "", native(""), []string{"7-mine"}, []string{"."}},
		"same names":     {"/data/own", "", native("a/1-x/", "b/1-x/"), []string{"a-1-x", "b-1-x"}, []string{"a/1-x", "b/1-x"}},
		"stated":         {"/data/own", "", stated, []string{"3-res-x"}, []string{"b"}},
		"below":          {"me/own", "a", native("a/2-own/", "3-own/"), []string{"2-own"}, []string{"a/2-own"}},
		"a file":         {"me/own", "3-own/cfg.json", native("a/2-own/", "3-own/"), []string{"3-own"}, []string{"3-own"}},
		"other dialects": {"me/gemma-2b-res", "", scope, []string{"layer_3-width_16k-average_l0_1", "layer_4-width_16k-average_l0_1"}, slices.Sorted(maps.Keys(map[string]int{"layer_3/width_16k/average_l0_1": 0, "layer_4/width_16k/average_l0_1": 0}))},
		"the registry": {"/models/models--jbloom--GPT2-Small-SAEs-Reformatted/snapshots/00", "", native("blocks.8.hook_resid_pre/"),
			[]string{"8-res-jb"}, []string{"blocks.8.hook_resid_pre"}},
	} {
		got, err := found(t, c.name, c.below, c.files)
		var ids, paths []string
		for _, row := range got.Rows {
			ids, paths = append(ids, row.Source), append(paths, row.Path)
		}
		if err != nil || !slices.Equal(ids, c.ids) || !slices.Equal(paths, c.paths) {
			t.Errorf("%s: %q at %q, %v", name, ids, paths, err)
		}
	}
}

func TestDiscoverSaysWhatIsMissing(t *testing.T) {
	twice := `{"neuronpedia_id":"m/1-x"}`
	for want, c := range map[string]struct {
		below string
		files map[string]string
	}{
		"no sources in it or below":   {"", map[string]string{"x": ""}},
		"neither sae_weights":         {"", map[string]string{"a/cfg.json": `{}`}},
		"both called 1-x":             {"", map[string]string{"a/cfg.json": twice, "a/sae_weights.safetensors": "", "b/cfg.json": twice, "b/sae_weights.safetensors": ""}},
		"a/cfg.json: unexpecte":       {"", map[string]string{"a/cfg.json": `{`, "a/sae_weights.safetensors": ""}},
		"names none of the Gemma 2":   {"", map[string]string{"layer_1/params.npz": ""}},
		"ae.pt: a source of the dial": {"", map[string]string{"a/ae.pt": ""}},
		"no known dialect":            {"", map[string]string{"weights.pt": ""}},
		"; it has resid_post":         {"x", map[string]string{"resid_post/cfg.json": `{}`}},
		"did you mean resid_post":     {"resid_pst", map[string]string{"resid_post/cfg.json": `{}`}},
	} {
		if _, err := found(t, "me/folder", c.below, c.files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// TestGoldenDiscover finds every recorded source by its files alone.
func TestGoldenDiscover(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(golden.Dir(t, "sae"), "*", "*", "case.json"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("%v, %v", cases, err)
	}
	checked := 0
	for _, file := range cases {
		var c struct {
			Dialect string
			Repo    string `json:"repo_id"`
			Path    string
			Source  string `json:"source_id"`
		}
		golden.ReadJSON(t, file, &c)
		if strings.Contains(file, "/errors/") || c.Dialect == "" {
			continue
		}
		checked++
		files := map[string]string{}
		root := filepath.Join(filepath.Dir(file), "repo")
		if err := filepath.WalkDir(root, func(at string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				name, _ := filepath.Rel(root, at)
				files[filepath.ToSlash(name)] = `{}`
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		got, err := found(t, c.Repo, "", files)
		at := slices.IndexFunc(got.Rows, func(r Row) bool { return r.Path == c.Path })
		if err != nil || at < 0 || got.Rows[at].Dialect != c.Dialect {
			text, _ := json.Marshal(got)
			t.Errorf("%s: %v, %s", file, err, text)
		}
	}
	t.Logf("%d sources found by their files", checked)
}

// TestReleasedSourcesAreRecognised finds every released source by the names of its files,
// without the registry, and every repository's sources under ids of their own with it.
func TestReleasedSourcesAreRecognised(t *testing.T) {
	registry, err := OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	unlisted, err := registry.Unlisted()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*memoryFiles{} // by repository
	rows := append(slices.Clone(registry.Rows()), unlisted...)
	for _, row := range rows {
		all := files[row.Repo]
		if all == nil {
			all = &memoryFiles{content: map[string][]byte{}}
			files[row.Repo] = all
		}
		optional := func(path string) bool { return !strings.HasSuffix(path, "wanb-config.yaml") }
		paths, err := Paths(row, optional)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			all.content[path] = []byte("{}")
		}
	}
	found := map[[2]string]string{} // dialects by repository and path
	for repo, all := range files {
		listing := Listing{Files: all, Paths: slices.Sorted(maps.Keys(all.content)), Name: repo}
		for _, with := range []*Registry{nil, registry} {
			got, err := Discover(t.Context(), with, listing)
			if err != nil {
				t.Errorf("%s: %v", repo, err)
			}
			for _, row := range got.Rows {
				if with == nil {
					found[[2]string{repo, row.Path}] = row.Dialect
				}
			}
		}
	}
	wrong := map[string]int{}
	for _, row := range rows {
		if got := found[[2]string{row.Repo, row.Path}]; got != row.Dialect {
			if wrong[row.Repo+got]++; wrong[row.Repo+got] == 1 {
				t.Errorf("%s/%s: recognised as %q, want %s", row.Repo, row.Path, got, row.Dialect)
			}
		}
	}
	t.Logf("%d sources in %d repositories", len(rows), len(files))
}
