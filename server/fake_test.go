package server

import (
	"context"
	"strings"

	"npinf/engine"
)

// fake is an engine without a model. Its texts and numbers are made up, but it answers each
// request in the right shape, and fails where told to.
type fake struct {
	status   engine.Status
	can      engine.Capabilities
	err      error                 // what every method fails with
	during   func(context.Context) // called at the start of each method
	tokenize func(engine.TokenizeRequest) engine.Tokenized
	values   []float32          // what activations are
	reloaded string             // the model of the last Reload
	lens     engine.LensRequest // the last one
	lensErr  error              // what Lens ends with
}

func readyFake() *fake {
	return &fake{
		status: engine.Status{Ready: true},
		can:    engine.Capabilities{Model: "m", Device: "cpu", Layers: 12, MaxTokens: 4096},
		values: []float32{0.1, 0},
	}
}

func (f *fake) start(ctx context.Context) error {
	if f.during != nil {
		f.during(ctx)
	}
	if f.err != nil {
		return f.err
	}
	return ctx.Err()
}

func (f *fake) Status() engine.Status { return f.status }

func (f *fake) Capabilities() (engine.Capabilities, error) { return f.can, f.err }

func (f *fake) Tokenize(ctx context.Context, r engine.TokenizeRequest) (engine.Tokenized, error) {
	if f.tokenize != nil {
		return f.tokenize(r), f.start(ctx)
	}
	words := strings.Fields(r.Text)
	return engine.Tokenized{IDs: make([]int, len(words)), Strings: words, PrependBOS: r.PrependBOS == nil || *r.PrependBOS}, f.start(ctx)
}

func (f *fake) ActivationSingle(ctx context.Context, r engine.SingleRequest) ([]engine.SingleResult, error) {
	out := make([]engine.SingleResult, len(r.Prompts))
	for i := range out {
		out[i] = engine.SingleResult{Values: f.values, Max: f.values[0], Tokens: []string{"a", "b"}, Special: []bool{false, true}}
	}
	return out, f.start(ctx)
}

func (f *fake) ActivationAll(ctx context.Context, r engine.AllRequest) ([]engine.AllResult, error) {
	one := engine.FeatureActivation{Source: "5-res-jb", Index: 3, Values: f.values, Max: f.values[0],
		DFA: &engine.Attribution{Values: []float32{1e-5, 2}, Max: 2, Target: 1}}
	out := make([]engine.AllResult, len(r.Prompts))
	for i := range out {
		out[i] = engine.AllResult{Features: []engine.FeatureActivation{one, {Source: r.SourceSet}}, Tokens: []string{"<|endoftext|>", "é\xff"}}
	}
	return out, f.start(ctx)
}

func (f *fake) ActivationTopK(ctx context.Context, r engine.TopKRequest) ([]engine.TopKResult, error) {
	out := make([]engine.TopKResult, len(r.Prompts))
	for i := range out {
		out[i].Positions = []engine.TokenFeatures{{Position: 1, Token: "a", Features: []engine.FeatureValue{{Index: r.K, Value: f.values[0]}}}}
	}
	return out, f.start(ctx)
}

func (f *fake) ActivationSource(ctx context.Context, r engine.SourceRequest) ([]engine.SourceResult, error) {
	out := make([]engine.SourceResult, len(r.Prompts))
	for i := range out {
		out[i] = engine.SourceResult{Tokens: []string{"a", "b"}, Features: []engine.ActiveFeature{{Index: 7, Values: []engine.TokenValue{{Position: 1, Value: 0.25}}}}}
	}
	return out, f.start(ctx)
}

func (f *fake) ActivationRaw(ctx context.Context, r engine.RawRequest) (engine.RawResult, error) {
	out := engine.RawResult{DType: "float32", Device: "cpu"}
	for range r.Prompts {
		out.Prompts = append(out.Prompts, engine.RawPrompt{IDs: []int{0}, Strings: []string{"a"},
			Layers: []engine.LayerRows{{Layer: 2, Positions: []int{0}, Values: [][]float64{{1, -0.5}}}}})
	}
	return out, f.start(ctx)
}

func (f *fake) ActivationAttention(ctx context.Context, r engine.AttentionRequest) (engine.AttentionResult, error) {
	return engine.AttentionResult{Length: 2, Indices: []int{0, 2}, Values: []float64{1, 0.3454}, Max: 0.3454, Tokens: []string{"a", "b"}}, f.start(ctx)
}

func (f *fake) SourceVector(ctx context.Context, r engine.VectorRequest) (engine.VectorResult, error) {
	return engine.VectorResult{Vector: f.values, Hook: "blocks.5.hook_resid_pre"}, f.start(ctx)
}

func (f *fake) Neighbours(ctx context.Context, r engine.NeighboursRequest) ([]engine.Neighbour, error) {
	return []engine.Neighbour{{Index: 5, Cosine: f.values[0]}}, f.start(ctx)
}

func (f *fake) Similarity(ctx context.Context, r engine.SimilarityRequest) (engine.SimilarityResult, error) {
	return engine.SimilarityResult{Matrix: [][]float32{f.values}, Tokens: []string{r.Text}}, f.start(ctx)
}

func (f *fake) Reload(ctx context.Context, customModel string) error {
	f.reloaded = customModel
	return f.start(ctx)
}
