package cli

import (
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"slices"
	"testing"

	"npinf/engine"
	"npinf/internal/settings"
)

// demoReference is what transformers and SAELens compute on the built-in model.
type demoReference struct {
	Cases []struct {
		Prompt   string
		IDs      []int
		Tokens   []string
		Residual struct{ First []float64 } `json:"residPost"`
		Features map[string][]struct {
			Index int
			Value float64
		}
	}
}

// openDemoEngine loads the built-in model as every command does.
func openDemoEngine(t *testing.T) *engine.Engine {
	t.Helper()
	world := &World{Environment: []string{"HF_HUB_OFFLINE=1", "HF_HOME=" + t.TempDir()}}
	s, _, err := settings.Load(world.Environment, nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := openStation(world, &s, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(st.config)
	t.Cleanup(func() { e.Close(); st.close() })
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestBuiltInModelAgreesWithPyTorch compares tokens, the residual stream and the strongest
// features with the values recorded when the model was made.
func TestBuiltInModelAgreesWithPyTorch(t *testing.T) {
	content, err := os.ReadFile("../../demo/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference demoReference
	if err := json.Unmarshal(content, &reference); err != nil || len(reference.Cases) == 0 {
		t.Fatalf("%d cases, %v", len(reference.Cases), err)
	}
	e := openDemoEngine(t)
	for _, c := range reference.Cases {
		tokens, err := e.Tokenize(t.Context(), engine.TokenizeRequest{Text: c.Prompt})
		if err != nil || !slices.Equal(tokens.IDs, c.IDs) || !slices.Equal(tokens.Strings, c.Tokens) {
			t.Errorf("%q: tokens %v %q, %v", c.Prompt, tokens.IDs, tokens.Strings, err)
		}
		raw, err := e.ActivationRaw(t.Context(), engine.RawRequest{Prompts: []string{c.Prompt}, Layers: []string{"3"}, HookPoint: "residual_stream", Type: "final_output_token"})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.Residual.First {
			// raw rounds to four decimals, because the checkpoint is bf16.
			if got := raw.Prompts[0].Layers[0].Values[0][i]; !(math.Abs(got-want) <= 1e-4+1e-4*math.Abs(want)) {
				t.Errorf("%q: resid_post[3][%d] = %v, want %v", c.Prompt, i, got, want)
			}
		}
		for source, features := range c.Features {
			found, err := e.Features(t.Context(), c.Prompt, []string{source}, len(features))
			if err != nil {
				t.Fatal(err)
			}
			last := found[0].Positions[len(found[0].Positions)-1]
			for i, want := range features {
				got := last.Features[i]
				if got.Index != want.Index || !(math.Abs(float64(got.Value)-want.Value) <= 1e-3*math.Abs(want.Value)) {
					t.Errorf("%q, %s: feature %d is %d with %v, want %d with %v", c.Prompt, source, i, got.Index, got.Value, want.Index, want.Value)
				}
			}
		}
	}
}
