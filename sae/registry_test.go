package sae

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"npinf/internal/golden"
)

type goldenRow struct {
	Model     string         `json:"model"`
	NPModel   string         `json:"np_model"`
	Source    string         `json:"source"`
	Set       string         `json:"set"`
	Release   string         `json:"release"`
	ID        string         `json:"sae_id"`
	Repo      string         `json:"repo"`
	Path      string         `json:"path"`
	Dialect   string         `json:"dialect"`
	Factor    float64        `json:"norm_scaling_factor"`
	Overrides map[string]any `json:"overrides"`
	Hook      string         `json:"hook"`
	HookOut   string         `json:"hook_out"`
	HookFrom  string         `json:"hook_from"`
}

func (g goldenRow) row() Row {
	return Row{
		NeuronpediaModel: g.NPModel, Source: g.Source, Set: g.Set, Release: g.Release, ID: g.ID, Repo: g.Repo,
		Path: g.Path, Dialect: g.Dialect, Model: g.Model, NormScalingFactor: g.Factor, Overrides: g.Overrides,
	}
}

func openTestRegistry(t testing.TB) *Registry {
	t.Helper()
	registry, err := OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func TestGoldenRegistry(t *testing.T) {
	dir := golden.Dir(t, "registry")
	registry := openTestRegistry(t)
	t.Run("rows", func(t *testing.T) { goldenRows(t, dir, registry) })
	t.Run("models", func(t *testing.T) { goldenModels(t, dir, registry) })
	t.Run("sets", func(t *testing.T) { goldenSets(t, dir, registry) })
}

func goldenRows(t *testing.T, dir string, registry *Registry) {
	var want struct {
		Releases []struct {
			Release, Model, Repo, Dialect string
			Overrides                     map[string]any
		}
		With    []goldenRow `json:"with_neuronpedia"`
		Without []goldenRow `json:"without_neuronpedia"`
	}
	golden.ReadJSON(t, filepath.Join(dir, "sources.json"), &want)
	unlisted, err := registry.Unlisted()
	if err != nil {
		t.Fatal(err)
	}
	compareRows(t, registry.Rows(), want.With)
	compareRows(t, unlisted, want.Without)
	if len(registry.Releases()) != len(want.Releases) {
		t.Fatalf("%d releases, want %d", len(registry.Releases()), len(want.Releases))
	}
	for i, release := range registry.Releases() {
		w := want.Releases[i]
		if release.Name != w.Release || release.Model != w.Model || release.Repo != w.Repo || release.Dialect != w.Dialect {
			t.Errorf("release %d: %+v, want %+v", i, release, w)
		}
	}
	t.Logf("%d rows with and %d without a neuronpedia id", len(want.With), len(want.Without))
}

func compareRows(t *testing.T, got []Row, want []goldenRow) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	hooks := 0
	for i := range got {
		w := want[i].row()
		if len(w.Overrides) == 0 {
			w.Overrides = nil
		}
		if !reflect.DeepEqual(got[i], w) {
			t.Fatalf("row %d: %+v, want %+v", i, got[i], w)
		}
		if want[i].HookFrom != "rule" {
			continue
		}
		hooks++
		if hook, hookOut, err := hookByRule(got[i]); err != nil || hook != want[i].Hook || want[i].HookOut != "" && hookOut != want[i].HookOut {
			t.Errorf("row %d, %s/%s: hooks %q and %q, want %q and %q (%v)", i, got[i].Repo, got[i].Path, hook, hookOut, want[i].Hook, want[i].HookOut, err)
		}
	}
	t.Logf("%d of %d hooks follow from repository and path", hooks, len(want))
}

// hookByRule are the hooks that a dialect derives from repository and path, without files
// that say anything.
func hookByRule(row Row) (hook, hookOut string, err error) {
	var config map[string]any
	switch row.Dialect {
	case "gemma_2":
		hook, err = gemma2Hook(row.Repo, row.Path)
		return hook, "", err
	case "gemma_3":
		config, err = gemma3Config(row)
	case "qwen_scope":
		config, err = qwenScopeConfig(row)
	default:
		var d *draft
		if d, err = dialects[row.Dialect].read(&repository{ctx: context.Background(), files: blankFiles{}}, row); err == nil {
			config = overridden(d.config, row)
		}
	}
	hook, _ = config["hook_name"].(string)
	hookOut, _ = config["hook_name_out"].(string)
	return hook, hookOut, err
}

// blankFiles has every file: well-formed, without arrays, and with a configuration that has
// sizes and nothing else.
type blankFiles struct{}

func (blankFiles) Has(string) bool { return true }

func (blankFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	data := []byte("d_model: {value: 2}\nd_feature: {value: 3}\nbatch_size: {value: 1}\nllm: {dimin: 2}\nsae: {exp_factor: 2, scaling_factor: 1, tied_weights: true}\n")
	switch filepath.Ext(path) {
	case ".safetensors":
		data = safetensorsFile(nil)
	case ".npz":
		header := "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }\n"
		data = zipFile("b_dec.npy", "\x93NUMPY\x01\x00"+string([]byte{byte(len(header)), 0})+header)
	case ".pt", ".pth":
		data = zipFile("archive/data.pkl", "\x80\x02}.")
	}
	return data, func() {}, nil
}

func zipFile(name, content string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	file, _ := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	io.WriteString(file, content)
	w.Close()
	return out.Bytes()
}

func goldenModels(t *testing.T, dir string, registry *Registry) {
	var want struct {
		Models map[string]struct {
			HF              *string
			InMap           bool     `json:"in_map"`
			DirectoryModels []string `json:"directory_models"`
			Sets            []string
		}
		Resolve []struct {
			ModelID        string `json:"model_id"`
			DirectoryModel string `json:"directory_model"`
			Found          bool
		}
		Aliases []struct{ IDs, Aliases []string }
	}
	golden.ReadJSON(t, filepath.Join(dir, "models.json"), &want)
	for _, w := range want.Resolve {
		if model, found := registry.ResolveModel(w.ModelID); model != w.DirectoryModel || found != w.Found {
			t.Errorf("ResolveModel(%s) = %s, %v; want %s, %v", w.ModelID, model, found, w.DirectoryModel, w.Found)
		}
	}
	for _, w := range want.Aliases {
		if got := registry.Aliases(w.IDs...); !slices.Equal(got, w.Aliases) {
			t.Errorf("Aliases(%v) = %v, want %v", w.IDs, got, w.Aliases)
		}
	}
	for id, w := range want.Models {
		if repo, found := registry.HubID(id); found != w.InMap || (found && repo != *w.HF) {
			t.Errorf("HubID(%s) = %s, %v", id, repo, found)
		}
		for _, directoryModel := range w.DirectoryModels {
			for _, name := range w.Sets {
				if !slices.ContainsFunc(registry.Sets(directoryModel), func(s Set) bool { return s.Name == name }) {
					t.Errorf("%s lacks set %s", directoryModel, name)
				}
			}
		}
	}
}

func goldenSets(t *testing.T, dir string, registry *Registry) {
	var cases []struct {
		ModelID  string   `json:"model_id"`
		Custom   string   `json:"custom_hf_model_id"`
		Sets     []string `json:"sae_sets"`
		Include  []string `json:"include_sae"`
		Exclude  []string `json:"exclude_sae"`
		Selected []struct {
			Model, Set string
			SAEs       []string
		}
	}
	golden.ReadJSON(t, filepath.Join(dir, "sets.json"), &cases)
	for i, c := range cases {
		model := c.ModelID
		if c.Custom != "" {
			model = c.Custom
		}
		got, err := registry.Select(model, c.Sets, c.Include, c.Exclude)
		if err != nil || len(got) != len(c.Selected) {
			t.Errorf("case %d: %d sets, want %d (%v)", i, len(got), len(c.Selected), err)
			continue
		}
		for j, w := range c.Selected {
			var names []string
			for _, row := range got[j].Sources {
				names = append(names, row.Source)
			}
			if got[j].Name != w.Set || !slices.Equal(names, w.SAEs) || got[j].Sources[0].Model != w.Model {
				t.Errorf("case %d: %s %v, want %s %v", i, got[j].Name, names, w.Set, w.SAEs)
			}
		}
	}
}

func TestSelectRefusesPythonOnlyPatterns(t *testing.T) {
	registry := openTestRegistry(t)
	_, err := registry.Select("gpt2-small", []string{"res-jb"}, nil, []string{"^(?!5-)"})
	var pattern *PatternError
	if !errors.As(err, &pattern) || pattern.Variable != ExcludeVariable || pattern.Pattern != "^(?!5-)" {
		t.Errorf("look-ahead: %v", err)
	}
	got, err := registry.Select("gpt2-small", []string{"res-jb"}, []string{"5-res-jb"}, nil)
	if err != nil || len(got) != 1 || len(got[0].Sources) != 1 {
		t.Errorf("unanchored include: %v, %v", got, err)
	}
}

func TestLookup(t *testing.T) {
	registry := openTestRegistry(t)
	row, err := registry.Lookup("openai-community/gpt2", "7-res-jb")
	if err != nil || row.NeuronpediaID() != "gpt2-small/7-res-jb" || row.ID != "blocks.7.hook_resid_pre" {
		t.Errorf("%+v, %v", row, err)
	}
	_, err = registry.Lookup("gpt2-small", "7-res-bj")
	var unknown *UnknownSourceError
	if !errors.As(err, &unknown) || !slices.Contains(unknown.Suggestions, "7-res-jb") {
		t.Errorf("misspelt source: %v", err)
	}
	// What a request sends is as long as a body may be: comparing it with every name would take minutes.
	begun := time.Now()
	_, err = registry.Lookup("gemma-2-2b", strings.Repeat("res", 2<<20))
	if !errors.As(err, &unknown) || len(unknown.Suggestions) > 0 || time.Since(begun) > 5*time.Second {
		t.Errorf("a source of six million letters: %d suggestions in %v", len(unknown.Suggestions), time.Since(begun))
	}
}

func TestModelsCountsWhatSetsHolds(t *testing.T) {
	registry := openTestRegistry(t)
	for _, model := range registry.Models() {
		sets, sources := registry.Sets(model.Model), 0
		for _, set := range sets {
			sources += len(set.Sources)
		}
		if len(sets) != model.Sets || sources != model.Sources {
			t.Errorf("%s: %d sets and %d sources, want %d and %d", model.Model, model.Sets, model.Sources, len(sets), sources)
		}
	}
}

func TestSetOf(t *testing.T) {
	for source, want := range map[string]string{"7-res-jb": "res-jb", "e-att-sm": "att-sm", "20-a-b__l0-10": "a-b__l0-10", "alone": "alone"} {
		if got := SetOf(source); got != want {
			t.Errorf("SetOf(%s) = %s, want %s", source, got, want)
		}
	}
}

func BenchmarkOpenRegistry(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		openTestRegistry(b)
	}
}
