package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"npinf/hub"
)

func pointer[T any](value T) *T { return &value }

// nearly compares values computed in different ways. NaN is never near.
func nearly(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool {
		return math.Abs(float64(x-y)) <= 1e-5*max(1, math.Abs(float64(x)))
	})
}

// TestVerbsAgree asks for the same activations in every way the engine knows, and watches
// that every buffer is given back.
func TestVerbsAgree(t *testing.T) {
	config, device := tinyConfig(t)
	e := loadTiny(t, config)
	text := "Hello, world!"
	for _, source := range []string{"0-res", "1-res", "1-att-x", "1"} {
		if _, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{text}, Source: &source, Index: pointer("0")}); err != nil {
			t.Fatal(err) // loads the source, which keeps buffers of its own
		}
		before := device.outstanding.Load()
		set := "neurons"
		if source != "1" {
			set = source[2:]
		}
		all, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{text}, SourceSet: set, Sources: []string{source, source}, IgnoreBOS: true, Results: 1000})
		if err != nil {
			t.Fatal(err)
		}
		agree(t, e, text, source, all[0])
		if after := device.outstanding.Load(); after != before {
			t.Errorf("%s: %d buffers were not given back", source, after-before)
		}
	}
}

func agree(t *testing.T, e *Engine, text, source string, all AllResult) {
	top, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{text}, Source: source, K: 1000, IgnoreBOS: true})
	if err != nil {
		t.Fatal(err)
	}
	firing, err := e.ActivationSource(t.Context(), SourceRequest{Prompts: []string{text}, Source: source})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Features) == 0 || len(top[0].Positions) != len(text) || all.Tokens[0] != tinyBOS {
		t.Fatalf("%s: %d features, %d positions, tokens %q", source, len(all.Features), len(top[0].Positions), all.Tokens)
	}
	for _, feature := range all.Features {
		single, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{text, "x"}, Batch: true, Source: &source, Index: pointer(toText(feature.Index))})
		if err != nil {
			t.Fatal(err)
		}
		if feature.Source != source || feature.Values[0] != 0 || !nearly(single[0].Values, feature.Values[1:]) {
			t.Fatalf("%s/%d: single %v, all %v", source, feature.Index, single[0].Values, feature.Values)
		}
		for _, p := range top[0].Positions {
			at := slices.IndexFunc(p.Features, func(v FeatureValue) bool { return v.Index == feature.Index })
			if at < 0 || !nearly([]float32{p.Features[at].Value}, feature.Values[p.Position:p.Position+1]) {
				t.Fatalf("%s/%d: top features of position %d differ from %v", source, feature.Index, p.Position, feature.Values[p.Position])
			}
		}
		at := slices.IndexFunc(firing[0].Features, func(f ActiveFeature) bool { return f.Index == feature.Index })
		fires := slices.ContainsFunc(feature.Values, func(v float32) bool { return v != 0 })
		if fires != (at >= 0) {
			t.Fatalf("%s/%d: firing %v, listed %v", source, feature.Index, fires, at >= 0)
		}
	}
}

// TestAttributionOfLongPrompts compares the pass that captures whole patterns with the one
// that reads single rows afterwards.
func TestAttributionOfLongPrompts(t *testing.T) {
	config, device := tinyConfig(t)
	e := loadTiny(t, config)
	ask := func() []AllResult {
		results, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{"attention", "to two"}, Batch: true, SourceSet: "att-x", Results: 9})
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	whole := ask()
	before := device.outstanding.Load()
	e.world.Load().patternBytes = 0
	single := ask()
	if device.outstanding.Load() != before {
		t.Error("buffers of the second pass were not given back")
	}
	for i := range whole {
		for n, f := range whole[i].Features {
			other := single[i].Features[n]
			if f.DFA == nil || other.DFA == nil || f.DFA.Target != f.MaxIndex || other.DFA.Target != f.DFA.Target || !nearly(f.DFA.Values, other.DFA.Values) {
				t.Fatalf("prompt %d, feature %d: %+v, %+v", i, n, f.DFA, other.DFA)
			}
			for s := f.DFA.Target + 1; s < len(f.DFA.Values); s++ {
				if f.DFA.Values[s] != 0 {
					t.Fatalf("position %d after the target %d has %v", s, f.DFA.Target, f.DFA.Values[s])
				}
			}
		}
	}
}

func TestEmptyPrompt(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	all, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{""}, SourceSet: "res", Sources: []string{"1-res"}, IgnoreBOS: true, Results: 3})
	if err != nil || len(all[0].Features) != 3 || all[0].Features[2].Index != 2 || all[0].Features[0].Max != 0 {
		t.Errorf("all: %+v, %v", all, err)
	}
	top, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{""}, Source: "1-res", K: 3, IgnoreBOS: true})
	if err != nil || len(top[0].Positions) != 0 {
		t.Errorf("topk: %+v, %v", top, err)
	}
	firing, err := e.ActivationSource(t.Context(), SourceRequest{Prompts: []string{""}, Source: "1-res"})
	if err != nil || len(firing[0].Features) != 0 || len(firing[0].Tokens) != 1 {
		t.Errorf("source: %+v, %v", firing, err)
	}
	empty, err := e.Tokenize(t.Context(), TokenizeRequest{PrependBOS: pointer(false)})
	if err != nil || len(empty.IDs) != 0 || !slices.Equal(empty.Strings, []string{""}) || empty.PrependBOS {
		t.Errorf("tokenize: %+v, %v", empty, err)
	}
}

// TestManyRequestsFewSlots runs more requests than slots over more sources than may be
// resident.
func TestManyRequestsFewSlots(t *testing.T) {
	config, _ := tinyConfig(t)
	config.MaxLoadedSAEs, config.MaxConcurrent = 1, 2
	e := loadTiny(t, config)
	var everyone sync.WaitGroup
	for i := range 24 {
		everyone.Go(func() {
			set := []string{"res", "att-x"}[i%2]
			if _, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{"abc"}, SourceSet: set, Results: 4}); err != nil {
				t.Error(err)
			}
		})
	}
	everyone.Wait()
	capabilities, err := e.Capabilities()
	if err != nil || capabilities.Cache.ResidentCount > 1 || capabilities.Cache.RegisteredCount != 4 {
		t.Errorf("%+v, %v", capabilities.Cache, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.ActivationAll(ctx, AllRequest{Prompts: []string{"abc"}, SourceSet: "res", Results: 4}); codeOf(t, err) != Canceled {
		t.Errorf("a cancelled request got %v", err)
	}
}

func TestCapabilitiesAndFeatures(t *testing.T) {
	config, _ := tinyConfig(t)
	config.MaxTokens, config.LensTokenLimit, config.TokenLimit = 40, 90, 70
	e := loadTiny(t, config)
	c, err := e.Capabilities()
	if err != nil || c.Model != "tiny" || c.TokenLimit != 40 || c.LensTokenLimit != 40 || c.ActivationTokenLimit != 40 ||
		c.MaxTokens != 40 || c.Layers != tinyLayers || !slices.Equal(c.SourceSets, []string{"res", "att-x"}) || !slices.IsSorted(c.CapturePoints) {
		t.Errorf("%+v, %v", c, err)
	}
	features, err := e.Features(t.Context(), "abc", nil, 2)
	if err != nil || len(features) != 1 || features[0].Source != "1-res" || len(features[0].Positions) != 3 || len(features[0].Positions[0].Features) != 2 {
		t.Errorf("%+v, %v", features, err)
	}
	names := []string{}
	for _, phase := range e.Phases() {
		names = append(names, phase.Name)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"download", "open", "plan", "sources", "tokenizer", "weights"}) {
		t.Errorf("phases %v", names)
	}
}

func TestReloadAndClose(t *testing.T) {
	config, device := tinyConfig(t)
	e := New(config)
	if _, err := e.Tokenize(t.Context(), TokenizeRequest{Text: "a"}); codeOf(t, err) != NotReady || err.Error() != "Server not initialized." {
		t.Errorf("before the load: %v", err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := e.ActivationRaw(t.Context(), RawRequest{Prompts: []string{"a"}, HookPoint: "residual_stream", Type: "final_output_token"})
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	var reloads sync.WaitGroup
	for range 3 {
		reloads.Go(func() {
			if err := e.Reload(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
	}
	reloads.Wait()
	if err := ask(); err != nil || !e.Status().Ready {
		t.Errorf("after a reload: %v", err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(); err == nil || e.Status().Ready {
		t.Error("a closed engine answered")
	}
	if left := device.outstanding.Load(); left != 0 {
		t.Errorf("%d buffers left after Close", left)
	}
}

// busyHub limits requests for a while and then has no such repository.
type busyHub struct{ refusals int }

func (h *busyHub) Open(context.Context, string, string) (hub.Snapshot, error) {
	if h.refusals--; h.refusals >= 0 {
		return nil, &hub.Error{Kind: hub.RateLimited, Endpoint: "the hub"}
	}
	return nil, &hub.Error{Kind: hub.NotFound, Repo: "a/b", Endpoint: "the hub"}
}

func TestLoadWaitsForABusyHubAndKeepsTheReason(t *testing.T) {
	config, _ := tinyConfig(t)
	busy := &busyHub{refusals: 3}
	config.ModelID, config.Hub, config.RetryWait = "a/b", busy, time.Millisecond
	e := New(config)
	defer e.Close()
	if err := e.Load(t.Context()); hub.KindOf(err) != hub.NotFound || busy.refusals >= 0 {
		t.Errorf("load ended with %v, %d refusals left", err, busy.refusals)
	}
	status := e.Status()
	if status.Ready || status.Model != "a/b" || !strings.Contains(status.Failed, "a/b") {
		t.Errorf("%+v", status)
	}
	_, err := e.Tokenize(t.Context(), TokenizeRequest{Text: "a"})
	if codeOf(t, err) != NotReady || !strings.HasPrefix(err.Error(), "Server not initialized. Initialization error: ") {
		t.Errorf("after a failed load: %v", err)
	}
}

func TestModelThatCannotFitIsRefusedWithNumbers(t *testing.T) {
	config, _ := tinyConfig(t)
	config.MemoryBytes = 1000
	e := New(config)
	defer e.Close()
	err := e.Load(t.Context())
	if err == nil || !strings.Contains(err.Error(), "only 1.0 kB are available") {
		t.Errorf("got %v", err)
	}
	need, err := e.Requirements(t.Context())
	if fits := need.Fits(); fits == nil || !strings.Contains(need.String(), "4 sources") {
		t.Errorf("fits: %v; %s", fits, need)
	}
	if err != nil || need.Family != "gpt2" || need.WeightBytes == 0 || need.DownloadBytes != 0 || !slices.Contains(need.Files, "tokenizer.json") {
		t.Errorf("%+v, %v", need, err)
	}
	var known *Error
	if errors.As(err, &known) {
		t.Error("a load error is for the operator and has no code")
	}
}

// TestHalfTheMemoryIsNamed has room for the weights in 16 bits and not in 32.
func TestHalfTheMemoryIsNamed(t *testing.T) {
	config, _ := tinyConfig(t)
	need, err := New(config).Requirements(t.Context())
	if err != nil || need.DType != "float32" || need.HalfBytes*2 != need.WeightBytes || need.TokenBytes == 0 {
		t.Fatalf("%+v, %v", need, err)
	}
	config.MemoryBytes = need.WeightBytes - 1
	err = New(config).Load(t.Context())
	if err == nil || !strings.Contains(err.Error(), "set MODEL_DTYPE=bfloat16, with which they take "+hub.BytesText(need.HalfBytes)) {
		t.Errorf("got %v", err)
	}
	config.ModelDType = "bfloat16"
	e := New(config)
	defer e.Close()
	if err := e.Load(t.Context()); err != nil {
		t.Errorf("in 16 bits: %v", err)
	}
	config.MemoryBytes = need.HalfBytes - 1
	if err := New(config).Load(t.Context()); err == nil || strings.Contains(err.Error(), "MODEL_DTYPE") {
		t.Errorf("a remedy that does not help: %v", err)
	}
}
