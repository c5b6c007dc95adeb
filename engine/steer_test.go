package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"npinf/kernels"
	"npinf/model"
)

// steering is a request for both types along one feature, to be changed by tests.
func steering(tokens int) Steering {
	return Steering{Method: SimpleAdditive, Types: []SteerType{Steered, Unsteered}, Multiplier: 1, Tokens: tokens, Seed: 3,
		Features: []SteerFeature{{Source: "1-res", Index: "2", Strength: 30}}}
}

func mustSteer(t *testing.T, e *Engine, prompt string, s Steering) SteerFrame {
	t.Helper()
	frame, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: prompt, Steering: s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// TestOperations compares each method with its formula, with and without spared positions.
func TestOperations(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	w := e.world.Load()
	vector := []float64{1, -2, 0.5, 0, 3, 1, 1, -1}
	rows := make([]float32, 3*tinyWidth)
	for i := range rows {
		rows[i] = float32(i%7) - 2.5
	}
	for _, method := range []SteerMethod{SimpleAdditive, OrthogonalParts, ProjectionCap} {
		for _, normalize := range []bool{false, true} {
			s := Steering{Method: method, Normalize: normalize, Multiplier: 2, Vectors: []SteerVector{{Vector: vector, Strength: -0.75, Hook: "blocks.1.hook_resid_pre"}}}
			directions, err := w.directions(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			operations, release, err := w.operations(s, directions)
			if err != nil {
				t.Fatal(err)
			}
			if want := (model.Address{Point: model.ResidPost, Layer: 0}); operations[0].address != want {
				t.Errorf("acts at %v, want %v", operations[0].address, want)
			}
			spared := []bool{false, false, false, false, true} // position 4 is the second row
			buffer := w.device.Upload(3, tinyWidth, rows)
			edits(operations, spared)[0].Apply(w.device, buffer, []int{3, 4, 5})
			got := w.download(buffer)
			want := slices.Clone(rows)
			for r := range 3 {
				if r != 1 {
					steerRow(want[r*tinyWidth:(r+1)*tinyWidth], vector, method, normalize, -1.5)
				}
			}
			if !nearly(got, want) {
				t.Errorf("%s, normalize %v: got %v, want %v", method, normalize, got, want)
			}
			w.device.Release(buffer)
			release()
		}
	}
}

// steerRow is the contract's formula in float64.
func steerRow(row []float32, v []float64, method SteerMethod, normalize bool, c float64) {
	norm, dot := 0.0, 0.0
	for i := range v {
		norm += v[i] * v[i]
		dot += v[i] * float64(row[i])
	}
	norm = math.Sqrt(norm)
	dot /= norm
	for i := range v {
		switch {
		case method == OrthogonalParts:
			row[i] += float32((c - 1) * dot * v[i] / norm)
		case method == ProjectionCap:
			row[i] += float32((math.Min(dot, c) - dot) * v[i] / norm)
		case normalize:
			row[i] += float32(c * v[i] / norm)
		default:
			row[i] += float32(c * v[i])
		}
	}
}

func TestSteeringMistakes(t *testing.T) {
	config, device := tinyConfig(t)
	config.MaxTokens = 20
	config.TokenLimit = 20
	e := loadTiny(t, config)
	vector := func(length int, value float64, hook string) func(*Steering) {
		return func(s *Steering) {
			s.Features, s.Vectors = nil, []SteerVector{{Vector: slices.Repeat([]float64{value}, length), Strength: 1, Hook: hook}}
		}
	}
	feature := func(source, index string) func(*Steering) {
		return func(s *Steering) { s.Features = []SteerFeature{{source, index, 1}} }
	}
	unitary := func(change func(*Steering)) func(*Steering) {
		return func(s *Steering) { change(s); s.Normalize = true }
	}
	long := strings.Repeat("a", 40)
	for name, c := range map[string]struct {
		prompt string
		change func(*Steering)
		texts  []string
	}{
		"neither":         {"a", func(s *Steering) { s.Features = nil }, []string{"exactly one of features or vectors"}},
		"both":            {"a", func(s *Steering) { s.Vectors = []SteerVector{} }, []string{"exactly one of features or vectors"}},
		"too long":        {long, feature("9-nothing", "0"), []string{"Text too long: 41 tokens, max is 20"}},
		"no room":         {long[:19], feature("1-res", "0"), []string{"No room to generate: the prompt is 20 tokens", "is 20"}},
		"unknown source":  {"a", feature("9-nothing", "0"), []string{"9-nothing"}},
		"neurons":         {"a", feature("1", "0"), []string{"1", "neurons"}},
		"index":           {"a", feature("1-res", "12"), []string{"12", "out of"}},
		"negative index":  {"a", feature("1-res", "-1"), []string{"-1", "out of"}},
		"huge index":      {"a", feature("1-res", "99999999999999999999"), []string{"99999999999999999999", "out of"}},
		"length":          {"a", vector(5, 1, "blocks.0.hook_resid_post"), []string{"5", "8"}},
		"layer":           {"a", vector(tinyWidth, 1, "blocks.7.hook_resid_post"), []string{"7", "out of"}},
		"no hook":         {"a", vector(tinyWidth, 1, "foo"), []string{"foo"}},
		"embedding":       {"a", vector(tinyWidth, 1, "hook_embed"), []string{"hook_embed"}},
		"pattern":         {"a", vector(tinyWidth, 1, "blocks.0.attn.hook_pattern"), []string{"hook_pattern"}},
		"MLP activations": {"a", vector(4*tinyWidth, 1, "blocks.0.mlp.hook_post"), []string{"hook_post"}},
		"zero direction":  {"a", unitary(vector(tinyWidth, 0, "blocks.0.hook_resid_post")), []string{"zero vector"}},
		"infinite":        {"a", vector(tinyWidth, 1e39, "blocks.0.hook_resid_post"), []string{"inf or nan"}},
		"infinite sum":    {"a", func(s *Steering) { vector(tinyWidth, 1e30, "blocks.0.hook_resid_post")(s); s.Multiplier = 1e30 }, []string{"inf or nan"}},
	} {
		before := device.outstanding.Load()
		s := steering(4)
		s.Types = []SteerType{Unsteered} // what is wrong is refused whatever is asked for
		c.change(&s)
		_, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: c.prompt, Steering: s}, nil)
		var known *Error
		if !errors.As(err, &known) || known.Code != Invalid {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		for _, text := range c.texts {
			if !strings.Contains(known.Message, text) {
				t.Errorf("%s: %q does not say %q", name, known.Message, text)
			}
		}
		if s.Features == nil && device.outstanding.Load() != before {
			t.Errorf("%s: buffers were not given back", name)
		}
	}
}

// TestFramesInOrder watches the states of an answer: one output after the other, each text
// growing, logprobs in the last one only.
func TestFramesInOrder(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	s := steering(9)
	s.Types = []SteerType{Unsteered, Steered, Unsteered}
	s.Logprobs = 2
	var frames []SteerFrame
	last, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "Once", Steering: s}, func(f SteerFrame) error {
		frames = append(frames, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	end := frames[len(frames)-1]
	for i, f := range frames {
		for n, o := range f.Outputs {
			later := n+1 < len(f.Outputs) && f.Outputs[n+1].Text != ""
			if o.Type != s.Types[n] || !strings.HasPrefix(end.Outputs[n].Text, o.Text) || later && o.Text != end.Outputs[n].Text {
				t.Fatalf("frame %d: %+v", i, f)
			}
			if finished := i == len(frames)-1; (o.Logprobs != nil) != finished {
				t.Fatalf("frame %d of %d has %d logprobs", i, len(frames), len(o.Logprobs))
			}
		}
	}
	if end.Outputs[0].Text != end.Outputs[2].Text || end.Outputs[0].Text == end.Outputs[1].Text || last.Outputs[1].Text != end.Outputs[1].Text {
		t.Errorf("texts %+v", end)
	}
	tokens := end.Outputs[1].Logprobs
	if len(tokens) == 0 || len(tokens[0].Top) != 2 || tokens[0].Token != tokens[0].Top[0].Token || !(tokens[0].Logprob <= 0) || tokens[0].Logprob != tokens[0].Top[0].Logprob {
		t.Errorf("a greedy token is the likeliest, got %+v", tokens)
	}
}

// TestStops makes the first token of a text a stop token: it ends the text and is not shown.
func TestStops(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	s := steering(6)
	text := mustSteer(t, e, "Once", s).Outputs[1].Text
	w := e.world.Load()
	w.stops = map[int]bool{}
	third := w.tokenizer.Encode(text, false)[2]
	w.stops[third] = true
	cut := strings.Index(text, w.tokenizer.TokenString(third))
	frames := 0
	frame, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "Once", Steering: s}, func(SteerFrame) error { frames++; return nil })
	if got := frame.Outputs[1].Text; err != nil || got != text[:cut] || frames == 0 {
		t.Errorf("%q stopped to %q after %d frames (%v), want %q", text, got, frames, err, text[:cut])
	}
}

// TestSplitCharacters: a character of several tokens comes out whole, and what a prompt left
// open in the decoder does not.
func TestSplitCharacters(t *testing.T) {
	config, _ := tinyConfig(t)
	w := loadTiny(t, config).world.Load()
	c := w.continuation(w.tokenizer.Encode("aé", false))
	var pieces []string
	for _, id := range w.tokenizer.Encode("日本", false) {
		pieces = append(pieces, c.push(id))
	}
	pieces = append(pieces, c.flush())
	if strings.Join(pieces, "") != "日本" || strings.ContainsRune(strings.Join(pieces, "|"), '\ufffd') {
		t.Errorf("pieces %q", pieces)
	}
}

// TestNonFiniteGeneration: logits that are no numbers are an error that says so.
func TestNonFiniteGeneration(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	s := steering(3)
	s.Features, s.Vectors = nil, []SteerVector{{Vector: []float64{1, -1, 2, 3, -3, 1, 1, 1}, Strength: 3e38, Hook: "blocks.1.hook_resid_post"}}
	_, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "Once", Steering: s}, nil)
	var known *Error
	if !errors.As(err, &known) || known.Code != Invalid && known.Code != NonFinite {
		t.Errorf("got %v", err)
	}
}

// watchingDevice calls during with the number of each attention, of which there is one per
// sequence and layer.
type watchingDevice struct {
	kernels.Device
	during func()
}

func (d *watchingDevice) AttendAll(jobs []kernels.Attention) {
	for range jobs {
		if d.during != nil {
			d.during()
		}
	}
	d.Device.AttendAll(jobs)
}

// TestEmitErrorEndsGeneration: whoever cannot take a frame ends the work.
func TestEmitErrorEndsGeneration(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	broken := errors.New("no more")
	_, err := e.SteerCompletion(context.Background(), SteerRequest{Prompt: "a", Steering: steering(40)}, func(SteerFrame) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if w := e.world.Load(); w.scheduler.active.Load() != 0 {
		t.Errorf("%d sequences go on", w.scheduler.active.Load())
	}
}
