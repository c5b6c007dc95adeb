package engine

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"npinf/hub"
	"npinf/sae"
)

// tinyTemporal is a temporal source on a hook of the tiny model.
func tinyTemporal(t testing.TB, id, hook string) LocalSource {
	r := rand.New(rand.NewPCG(11, 9))
	weights := tensors{"W_dec": random(r, 1, tinySource, tinyWidth), "b_dec": random(r, 0.1, tinyWidth)}
	for name, out := range map[string]int{"k_ctx": 6, "q_target": 6, "v_ctx": tinySource, "c_proj": tinySource} {
		weights["attn_layers.0."+name+".weight"] = random(r, 1, out, tinySource)
		weights["attn_layers.0."+name+".bias"] = random(r, 0.1, out)
	}
	config := map[string]any{"architecture": "temporal", "d_in": tinyWidth, "d_sae": tinySource, "dtype": "float32", "hook_name": hook,
		"n_heads": 2, "n_attn_layers": 1, "bottleneck_factor": 2, "tied_weights": true, "sae_diff_type": "relu",
		"apply_b_dec_to_input": true, "normalize_activations": "none", "neuronpedia_id": "tiny/" + id}
	files, err := hub.OpenFS(id, fstest.MapFS{"cfg.json": {Data: toJSON(config)}, "sae_weights.safetensors": {Data: weights.safetensors()}})
	if err != nil {
		t.Fatal(err)
	}
	return LocalSource{Files: files, Row: sae.Row{NeuronpediaModel: "tiny", Source: id, Set: sae.SetOf(id), ID: id, Repo: id, Dialect: "sae_lens"}}
}

// TestSimilarity leaves out the BOS, which still counts as context.
func TestSimilarity(t *testing.T) {
	config, _ := tinyConfig(t)
	config.DemoSources = append(config.DemoSources, tinyTemporal(t, "0-temp", "blocks.0.hook_resid_post"))
	e := loadTiny(t, config)
	for text, tokens := range map[string]int{"": 0, "a": 1, "Hello": 5, tinyBOS + "Hello": 5} {
		result, err := e.Similarity(t.Context(), SimilarityRequest{Source: "0-temp", Text: text})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(result.Tokens) != tokens || len(result.Matrix) != tokens {
			t.Errorf("%q: %d rows, %d tokens, want %d", text, len(result.Matrix), len(result.Tokens), tokens)
		}
		for i, row := range result.Matrix {
			if len(row) != tokens || !(math.Abs(float64(row[i])-1) < 1e-5) {
				t.Errorf("%q: row %d is %v", text, i, row)
			}
		}
	}
	for want, r := range map[string]SimilarityRequest{
		"SAE architecture is not temporal": {Source: "0-res", Text: "a"},
		"neurons":                          {Source: "0", Text: "a"},
		"Text too long: 65 tokens":         {Source: "0-temp", Text: strings.Repeat("a", 64)},
	} {
		if _, err := e.Similarity(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestSourceVector holds the encoder direction to what the source does with it: with the bias
// in place, activations are the products of rows and direction.
func TestSourceVector(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	result, err := e.SourceVector(t.Context(), VectorRequest{Source: "1-res", Index: "3"})
	if err != nil || len(result.Vector) != tinyWidth || result.Hook != "blocks.1.hook_resid_post" {
		t.Fatalf("%v, %v", result, err)
	}
	direction := make([]float64, tinyWidth)
	for i, v := range result.Vector {
		direction[i] = float64(v)
	}
	text := []string{"Hello, world!"}
	products, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: text, Vector: direction, Hook: &result.Hook})
	if err != nil {
		t.Fatal(err)
	}
	active, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: text, Source: pointer("1-res"), Index: pointer("3")})
	if err != nil {
		t.Fatal(err)
	}
	offset, compared := math.NaN(), 0
	for i, value := range active[0].Values {
		if value == 0 {
			continue
		}
		difference := float64(value - products[0].Values[i])
		if compared++; compared == 1 {
			offset = difference
		}
		if !(math.Abs(difference-offset) < 1e-4) {
			t.Errorf("token %d: activation %v, product %v, offset %v", i, value, products[0].Values[i], offset)
		}
	}
	if compared < 2 {
		t.Fatalf("the feature fires on %d tokens; choose another", compared)
	}
}

// TestNeighbours ranks by cosine, then by index, with rows that hold NaN last.
func TestNeighbours(t *testing.T) {
	config, _ := tinyConfig(t)
	config.DemoSources = append(config.DemoSources, tinySAE(t, "0-near", "blocks.0.hook_resid_post", 7, func(weights tensors) {
		rows := weights["W_dec"].values
		copy(rows[2*tinyWidth:3*tinyWidth], rows[9*tinyWidth:10*tinyWidth])
		rows[4*tinyWidth] = float32(math.NaN())
	}))
	e := loadTiny(t, config)
	found, err := e.Neighbours(t.Context(), NeighboursRequest{Source: "0-near", Feature: &FeatureID{"0-near", "9"}, Results: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != tinySource || found[0].Index != 2 || found[1].Index != 9 || !(found[1].Cosine > 0.9999) {
		t.Errorf("%v", found)
	}
	if last := found[tinySource-1]; last.Index != 4 || last.Cosine != 0 {
		t.Errorf("the row with NaN: %v", last)
	}
	other, err := e.Neighbours(t.Context(), NeighboursRequest{Source: "1-res", Feature: &FeatureID{"0-near", "9"}, Results: 3})
	if err != nil {
		t.Fatal(err)
	}
	own, err := e.Neighbours(t.Context(), NeighboursRequest{Source: "1-res", Feature: &FeatureID{"nowhere", "9"}, Results: 0})
	if err != nil || len(own) != 1 || own[0].Index != 9 || len(other) != 3 || other[0].Cosine == own[0].Cosine {
		t.Errorf("%v, %v, %v", own, other, err)
	}
}

// TestUtilMistakes are refused by name.
func TestUtilMistakes(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	vector := func(source, index string) error {
		_, err := e.SourceVector(t.Context(), VectorRequest{source, index})
		return err
	}
	near := func(r NeighboursRequest) error { _, err := e.Neighbours(t.Context(), r); return err }
	ones := make([]float64, tinyWidth)
	for want, err := range map[string]error{
		"Feature index 12 is out of range for 0-res, which has 12 features": vector("0-res", "12"),
		"Feature index -1 is out of range":                                  vector("0-res", "-1"),
		"Feature index 99999999999999999999 is out of range":                near(NeighboursRequest{Source: "0-res", Feature: &FeatureID{"0-res", "99999999999999999999"}}),
		"9-res":                             vector("9-res", "0"),
		"Source 1 stands for the neurons":   vector("1", "0"),
		"exactly one of feature or vector":  near(NeighboursRequest{Source: "0-res"}),
		"exactly one of feature":            near(NeighboursRequest{Source: "0-res", Vector: ones, Feature: &FeatureID{"0-res", "1"}}),
		"Invalid SAE ID or type: 9-res":     near(NeighboursRequest{Source: "9-res", Vector: ones}),
		"Source 0 stands for the neurons":   near(NeighboursRequest{Source: "0", Vector: ones}),
		"Vector has length 3, but the deco": near(NeighboursRequest{Source: "0-res", Vector: ones[:3]}),
	} {
		if err == nil || codeOf(t, err) != Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("want …%s…, got %v", want, err)
		}
	}
}

// TestReloadOfACustomModel refuses what cannot be served without giving up what is.
func TestReloadOfACustomModel(t *testing.T) {
	config, _ := tinyConfig(t)
	config.Hub = &busyHub{}
	e := loadTiny(t, config)
	for _, name := range []string{"a/b", "../a", "/etc", "a/b/c", "~"} {
		err := e.Reload(t.Context(), name)
		if err == nil || codeOf(t, err) != Invalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if !e.Status().Ready {
			t.Fatalf("%s: the engine gave up its model", name)
		}
	}
	config.Hub = &busyHub{refusals: 1}
	e = loadTiny(t, config)
	if err := e.Reload(t.Context(), "a/b"); err == nil || codeOf(t, err) != Unavailable {
		t.Errorf("a busy hub: %v", err)
	}
}

// TestReloadAfterAFailure brings an engine up whose first load failed.
func TestReloadAfterAFailure(t *testing.T) {
	config, _ := tinyConfig(t)
	demo := config.Demo
	config.Demo = nil
	e := New(config)
	t.Cleanup(func() { e.Close() })
	if err := e.Reload(t.Context(), ""); err == nil || codeOf(t, err) != NotReady {
		t.Errorf("before the first load: %v", err)
	}
	if err := e.Load(t.Context()); err == nil {
		t.Fatal("a load without a model succeeded")
	}
	if err := e.Reload(t.Context(), ""); err == nil || codeOf(t, err) != NotReady {
		t.Errorf("still without a model: %v", err)
	}
	e.config.Demo = demo
	if err := e.Reload(t.Context(), ""); err != nil || !e.Status().Ready {
		t.Errorf("with a model: %v", err)
	}
}
