package engine

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"npinf/hub"
	"npinf/sae"
)

// shelf is a hub of ready repositories.
type shelf map[string]hub.Snapshot

func (s shelf) Open(_ context.Context, name, _ string) (hub.Snapshot, error) {
	if files := s[name]; files != nil {
		return files, nil
	}
	return nil, &hub.Error{Kind: hub.NotFound, Repo: name, Endpoint: "the shelf"}
}

// serveTiny serves the tiny model from a hub, with a lens or with the reason for none.
func serveTiny(t *testing.T, jacobian *JacobianConfig) *Engine {
	config, _ := tinyConfig(t)
	config.ModelID, config.Jacobian = "tiny/model", jacobian
	lenses, err := hub.OpenFolder("testdata")
	if err != nil {
		t.Fatal(err)
	}
	config.Hub = shelf{"tiny/model": config.Demo, "lenses": lenses}
	return loadTiny(t, config)
}

// TestJacobianLens uses a lens that doubles the residual of layer 0, which the norm before the
// head does not see: both lenses have to say the same. Only fitted layers and the last are read.
func TestJacobianLens(t *testing.T) {
	e := serveTiny(t, &JacobianConfig{Source: "lenses"})
	if can, err := e.Capabilities(); err != nil || !can.Jacobian {
		t.Fatalf("%+v, %v", can, err)
	}
	r := logitLens("Hello")
	r.Types = []LensType{JacobianLens, LogitLens, JacobianLens}
	meta, _, readings, _ := readLens(t, e, r)
	if !reflect.DeepEqual(meta.Types, []LensType{JacobianLens, LogitLens}) || !reflect.DeepEqual(meta.Layers, [][]int{{0, 1}, {0, 1}}) {
		t.Errorf("%+v", meta)
	}
	for i, reading := range readings {
		sameChoices(t, i, reading.Choices[:1], reading.Choices[1:])
	}
	r.SteerTokens, r.SteerStrength, r.SteerLayers = []LensToken{{"Q", JacobianLens}}, 0.5, []int{0}
	_, _, carried, _ := readLens(t, e, r)
	r.SteerTokens = []LensToken{{"Q", LogitLens}}
	_, _, plain, _ := readLens(t, e, r)
	for i := range plain {
		sameChoices(t, i, plain[i].Choices, carried[i].Choices)
	}
	r.Layers = []int{7}
	if meta, _, _, _ := readLens(t, e, r); !reflect.DeepEqual(meta.Layers, [][]int{{1}, {1}}) {
		t.Errorf("of an unknown layer: %+v", meta)
	}
}

// TestNoJacobianLens serves the logit lens all the same.
func TestNoJacobianLens(t *testing.T) {
	for want, config := range map[string]*JacobianConfig{"set NEURONPEDIA_MODEL_ID": {}, "not here": {Repo: "not here", Path: "a.pt"}} {
		e := serveTiny(t, config)
		readLens(t, e, logitLens("Hello"))
		r := logitLens("Hello")
		r.Types = []LensType{JacobianLens}
		var why *LensUnavailable
		err := e.Lens(t.Context(), r, func(LensFrame) error { return nil })
		if !errors.As(err, &why) || why.Status != "error" || !strings.Contains(why.Detail, want) {
			t.Errorf("%v, %+v", err, why)
		}
		if can, err := e.Capabilities(); err != nil || can.Jacobian {
			t.Errorf("%+v, %v", can, err)
		}
	}
}

// TestFindLens looks for the file of a model where lenses are published.
func TestFindLens(t *testing.T) {
	registry, err := sae.OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	repository := func(name string, paths ...string) hub.Snapshot {
		content := fstest.MapFS{}
		for _, path := range paths {
			content[path] = &fstest.MapFile{Data: []byte("x")}
		}
		files, err := hub.OpenFS(name, content)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	const folder = "gpt2-small/jlens/Salesforce-wikitext/"
	gpt2 := Config{ModelID: "openai-community/gpt2"}
	for name, c := range map[string]struct {
		config Config
		files  []string
		want   string // a path, or part of the error
	}{
		"by repository":   {gpt2, []string{folder + "gpt2_jacobian_lens.pt", folder + "gpt2_jacobian_lens_n1000.pt"}, folder + "gpt2_jacobian_lens.pt"},
		"by short id":     {Config{ModelID: "gpt2-small"}, []string{folder + "gpt2_jacobian_lens.pt"}, folder + "gpt2_jacobian_lens.pt"},
		"by override":     {Config{ModelID: "x/y", OverrideModelID: "openai-community/gpt2"}, []string{folder + "gpt2_jacobian_lens.pt"}, folder + "gpt2_jacobian_lens.pt"},
		"thousand":        {gpt2, []string{folder + "gpt2_jacobian_lens_n1000.pt", folder + "a.pt"}, folder + "gpt2_jacobian_lens_n1000.pt"},
		"any other":       {gpt2, []string{folder + "z.pt", folder + "b.pt", folder + "a.yaml"}, folder + "b.pt"},
		"another dataset": {Config{ModelID: "gpt2-small", Jacobian: &JacobianConfig{Dataset: "pile"}}, []string{"gpt2-small/jlens/pile/q.pt"}, "gpt2-small/jlens/pile/q.pt"},
		"named id":        {Config{ModelID: "x/y", Jacobian: &JacobianConfig{ModelID: "gpt2-small"}}, []string{folder + "gpt2_jacobian_lens.pt"}, folder + "gpt2_jacobian_lens.pt"},
		"unknown id":      {Config{ModelID: "x/y", Jacobian: &JacobianConfig{ModelID: "new model"}}, []string{"new model/jlens/Salesforce-wikitext/new-model_jacobian_lens.pt"}, "new model/jlens/Salesforce-wikitext/new-model_jacobian_lens.pt"},
		"named path":      {Config{Jacobian: &JacobianConfig{Path: "a/b.pt"}}, []string{"a/b.pt"}, "a/b.pt"},
		"absent path":     {Config{Jacobian: &JacobianConfig{Path: "a/b.pt"}}, []string{"a/c.pt"}, "there is no a/b.pt"},
		"absent":          {gpt2, []string{"README.md"}, "no Jacobian lens for 'gpt2-small'"},
		"no id":           {Config{ModelID: "x/y"}, []string{"README.md"}, "set NEURONPEDIA_MODEL_ID"},
		"folder":          {Config{Jacobian: &JacobianConfig{Source: "here"}}, []string{"b_jacobian_lens.pt", "a_jacobian_lens.pt", "a.pt"}, "a_jacobian_lens.pt"},
		"empty folder":    {Config{Jacobian: &JacobianConfig{Source: "here"}}, []string{"a.pt"}, "no *_jacobian_lens.pt in here"},
		"another hub":     {Config{ModelID: "gpt2-small", Jacobian: &JacobianConfig{Repo: "not/there"}}, nil, "not/there"},
	} {
		c.config.Registry = registry
		if c.config.Jacobian == nil {
			c.config.Jacobian = &JacobianConfig{}
		}
		files := repository("lenses", c.files...)
		c.config.Hub = shelf{defaultLensRepo: files, "here": files}
		_, path, err := c.config.findLens(t.Context())
		if path != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %q, %v, want %q", name, path, err, c.want)
		}
	}
}
