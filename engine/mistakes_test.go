package engine

import (
	"math"
	"strings"
	"testing"
)

func TestMistakesAreNamed(t *testing.T) {
	config, device := tinyConfig(t)
	e := loadTiny(t, config)
	long := strings.Repeat("a", 64)
	single := func(r SingleRequest) error { _, err := e.ActivationSingle(t.Context(), r); return err }
	all := func(r AllRequest) error { _, err := e.ActivationAll(t.Context(), r); return err }
	tokenize := func(text string) error {
		_, err := e.Tokenize(t.Context(), TokenizeRequest{Text: text})
		return err
	}
	if err := single(SingleRequest{Prompts: []string{"a"}, Source: pointer("0-res"), Index: pointer("0")}); err != nil {
		t.Fatal(err)
	}
	before := device.outstanding.Load()
	for want, err := range map[string]error{
		"exactly one of layer/index or vector":                         single(SingleRequest{Prompts: []string{"a"}, Source: pointer("0-res"), Hook: pointer("x")}),
		"Found 0 entries when searching for source '9-res'":            single(SingleRequest{Prompts: []string{"a"}, Source: pointer("9-res"), Index: pointer("0")}),
		"Source 2 is out of range":                                     single(SingleRequest{Prompts: []string{"a"}, Source: pointer("2"), Index: pointer("0")}),
		"invalid literal for int() with base 10: 'x'":                  single(SingleRequest{Prompts: []string{"a"}, Source: pointer("0-res"), Index: pointer("x")}),
		"Feature index -1 is out of range for 0-res, which has 12":     single(SingleRequest{Prompts: []string{"a"}, Source: pointer("0-res"), Index: pointer("-1")}),
		"Prompt has no tokens besides BOS":                             single(SingleRequest{Prompts: []string{""}, Source: pointer("0-res"), Index: pointer("0")}),
		"Text too long: 65 tokens, max is 64":                          single(SingleRequest{Prompts: []string{long}, Source: pointer("0-res"), Index: pointer("0")}),
		"max is 16.0 for batch requests":                               single(SingleRequest{Prompts: []string{long}, Batch: true, Source: pointer("0-res"), Index: pointer("0")}),
		"At least one prompt is required":                              single(SingleRequest{Batch: true}),
		"Batch size 5 exceeds maximum of 4":                            single(SingleRequest{Batch: true, Prompts: make([]string, 5)}),
		"Vector has length 3, but blocks.0.hook_resid_pre has width 8": single(SingleRequest{Prompts: []string{"a"}, Vector: make([]float64, 3), Hook: pointer("blocks.0.hook_resid_pre")}),
		"foo":                                single(SingleRequest{Prompts: []string{"a"}, Vector: make([]float64, 8), Hook: pointer("foo")}),
		"out of":                             single(SingleRequest{Prompts: []string{"a"}, Vector: make([]float64, 8), Hook: pointer("blocks.7.hook_resid_pre")}),
		"no row per token":                   single(SingleRequest{Prompts: []string{"a"}, Vector: make([]float64, 8), Hook: pointer("blocks.0.attn.hook_pattern")}),
		"Invalid source set":                 all(AllRequest{Prompts: []string{"a"}, SourceSet: "nope"}),
		"Sort token index 2 is out of range": all(AllRequest{Prompts: []string{"a"}, SourceSet: "res", SortTokens: []int{0, 2}}),
		"must not be negative, but is -1":    all(AllRequest{Prompts: []string{"a"}, SourceSet: "res", Results: -1}),
		"300000 bytes are more tokens than the limit": tokenize(strings.Repeat("a", 300000)),
		"Text too long: 100001 tokens, max is 64":     tokenize(strings.Repeat("a", 100000)),
	} {
		if err == nil || codeOf(t, err) != Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("want …%s…, got %v", want, err)
		}
	}
	if after := device.outstanding.Load(); after != before {
		t.Errorf("%d buffers were not given back", after-before)
	}
}

// TestSpoiltSourceIsNoAnswer puts NaN into a source.
func TestSpoiltSourceIsNoAnswer(t *testing.T) {
	config, device := tinyConfig(t)
	config.DemoSources = append(config.DemoSources, tinySAE(t, "0-bad", "blocks.0.hook_resid_post", 7, func(weights tensors) {
		weights["b_dec"].values[3] = float32(math.NaN())
	}))
	e := loadTiny(t, config)
	ask := func() error {
		_, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{"a"}, Source: "0-bad", K: 3})
		return err
	}
	if err := ask(); err == nil || codeOf(t, err) != NonFinite {
		t.Fatalf("got %v", err)
	}
	before := device.outstanding.Load()
	_ = ask()
	if device.outstanding.Load() != before {
		t.Error("buffers were not given back after an error")
	}
}
