package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestLensMistakes(t *testing.T) {
	config, device := tinyConfig(t)
	config.LensTokenLimit = 8
	e := loadTiny(t, config)
	before := device.outstanding.Load()
	ask := func(change func(*LensRequest)) error {
		r := logitLens("Hello")
		change(&r)
		return e.Lens(t.Context(), r, func(LensFrame) error { t.Error("a refused request was answered"); return nil })
	}
	steer := func(r *LensRequest, token string, layer int) {
		r.SteerTokens, r.SteerLayers, r.SteerStrength = []LensToken{{token, LogitLens}}, []int{layer}, 1
	}
	for want, change := range map[string]func(*LensRequest){
		"Provide exactly one of":                  func(r *LensRequest) { r.Prompt = nil },
		"exactly one of 'prompt' or 'chat'":       func(r *LensRequest) { r.Chat = []Message{} },
		"no chat template":                        func(r *LensRequest) { r.Prompt, r.Chat = nil, []Message{{Role: "user"}} },
		"at least one lens type":                  func(r *LensRequest) { r.Types = nil },
		"temperature must be >= 0":                func(r *LensRequest) { r.Temperature = math.NaN() },
		"num_completion_tokens must be >= 0":      func(r *LensRequest) { r.Completion = -1 },
		"max_seq_len must be >= 0":                func(r *LensRequest) { r.MaxLength = -1 },
		"top_n -1 is out of range":                func(r *LensRequest) { r.Top = -1 },
		"top_n 258 is out of range":               func(r *LensRequest) { r.Top = 258 },
		"Jacobian lens is not available":          func(r *LensRequest) { r.Types = []LensType{JacobianLens} },
		"Prompt produced zero tokens":             func(r *LensRequest) { r.Prompt, r.PrependBOS = pointer(""), false },
		"too long (9 tokens). The maximum is 8":   func(r *LensRequest) { r.Prompt = pointer("12345678") },
		"300000 bytes are more tokens":            func(r *LensRequest) { r.Prompt = pointer(strings.Repeat("a", 300000)) },
		"Token id 257 is out of range":            func(r *LensRequest) { r.InputIDs = []int{1, 257} },
		"Token id -1 is out of range":             func(r *LensRequest) { r.InputIDs = []int{-1} },
		"resolve steer token to a vocab id: 'no'": func(r *LensRequest) { steer(r, "no", 0) },
		"Steer layer 2 is out of range":           func(r *LensRequest) { steer(r, "a", 2) },
		"resolve steer token to a vocab id: 'of'": func(r *LensRequest) { steer(r, "a", 0); r.SwapToken = &LensToken{"of", LogitLens} },
	} {
		if err := ask(change); err == nil || codeOf(t, err) != Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("want …%s…, got %v", want, err)
		}
	}
	var why *LensUnavailable
	if err := ask(func(r *LensRequest) { r.Types = []LensType{JacobianLens} }); !errors.As(err, &why) || why.Status != "skipped" {
		t.Errorf("no lens: %+v", why)
	}
	if after := device.outstanding.Load(); after != before {
		t.Errorf("%d buffers were not given back", after-before)
	}
}

// TestLensTruncation keeps the beginning, and never generates beyond the model's positions.
func TestLensTruncation(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	r := logitLens(strings.Repeat("a", 63))
	r.MaxLength, r.Completion = 60, 1000
	meta, _, readings, done := readLens(t, e, r)
	if meta.PromptLength != 60 || meta.Completion != 4 || len(readings) != done.Length || done.Length > 64 {
		t.Errorf("%+v, %d readings, %+v", meta, len(readings), done)
	}
}

// TestLensBusy refuses those who do not want to wait, and ends with a client that leaves.
func TestLensBusy(t *testing.T) {
	config, device := tinyConfig(t)
	config.MaxConcurrent = 1
	e := loadTiny(t, config)
	before := device.outstanding.Load()
	ctx, cancel := context.WithCancel(t.Context())
	r := logitLens("Hello")
	r.Completion = 50
	err := e.Lens(ctx, r, func(f LensFrame) error {
		if f.Reading == nil {
			return nil
		}
		second := r
		second.FailIfBusy = true
		if err := e.Lens(t.Context(), second, func(LensFrame) error { return nil }); err == nil || codeOf(t, err) != Busy {
			t.Errorf("while another request runs: %v", err)
		}
		cancel()
		return nil
	})
	if err == nil || codeOf(t, err) != Canceled {
		t.Errorf("a client that left: %v", err)
	}
	r.FailIfBusy, r.Completion = true, 0
	if err := e.Lens(t.Context(), r, func(LensFrame) error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if after := device.outstanding.Load(); after != before {
		t.Errorf("%d buffers were not given back", after-before)
	}
}

// TestLensRepair shows characters that are made of several tokens whole, in prompts and in
// what is generated alike.
func TestLensRepair(t *testing.T) {
	config, _ := tinyConfig(t)
	w := loadTiny(t, config).world.Load()
	for text, want := range map[string][]string{
		"a😀é":           {"a", "😀", "😀*", "😀*", "😀*", "é", "é*"},
		"\xf0\x9f\x98a": {"\uFFFD", "\uFFFD", "\uFFFD", "a"},
		"\x98é":         {"\uFFFD", "é", "é*"},
		"\xc3":          {"\uFFFD"},
		"":              nil,
	} {
		var ids []int
		for i := range len(text) {
			ids = append(ids, int(text[i]))
		}
		shown := func(p LensPosition) string {
			if p.Continuation {
				return p.Text + "*"
			}
			return p.Text
		}
		var prompt, generated []string
		for _, p := range w.display(ids, nil) {
			prompt = append(prompt, shown(p))
		}
		r := &repair{text: w.decode, emit: func(reading *LensReading) error {
			generated = append(generated, shown(reading.LensPosition))
			return nil
		}}
		for i, id := range ids {
			if err := r.push(&LensReading{LensPosition: LensPosition{Position: i, ID: id, Text: w.tokenizer.TokenString(id)}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.flush(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(prompt, want) || !slices.Equal(generated, want) {
			t.Errorf("%q: prompt %q, generated %q, want %q", text, prompt, generated, want)
		}
	}
}
