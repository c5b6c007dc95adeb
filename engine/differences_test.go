package engine

import (
	"reflect"
	"slices"
	"strconv"
	"testing"

	"npinf/hub"
)

// This file holds what docs/differences.md says and no other test shows.

// loadWithoutBOS serves the tiny model with a tokenizer that has no BOS.
func loadWithoutBOS(t *testing.T) *Engine {
	files := tinyModel()
	files["tokenizer_config.json"].Data = toJSON(map[string]any{"eos_token": tinyBOS, "tokenizer_class": "PreTrainedTokenizerFast"})
	snapshot, err := hub.OpenFS("tiny", files)
	if err != nil {
		t.Fatal(err)
	}
	config, _ := tinyConfig(t)
	config.Demo = snapshot
	config.DemoSources = append(config.DemoSources, tinyTemporal(t, "0-temp", "blocks.0.hook_resid_post"))
	return loadTiny(t, config)
}

// TestWithoutBOS: where there is no BOS, nothing is left out in its place, however it is asked for.
func TestWithoutBOS(t *testing.T) {
	e := loadWithoutBOS(t)
	const text = "abc"
	tokens, err := e.Tokenize(t.Context(), TokenizeRequest{Text: text})
	if err != nil || len(tokens.IDs) != 3 || tokens.PrependBOS {
		t.Errorf("tokens %+v, %v", tokens, err)
	}
	single, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{text}, Source: pointer("1-res"), Index: pointer("0")})
	if err != nil || len(single[0].Values) != 3 || single[0].Tokens[0] != "a" {
		t.Errorf("single %+v, %v", single, err)
	}
	all, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{text}, SourceSet: "res", IgnoreBOS: true, Results: 1000})
	if err != nil || !slices.ContainsFunc(all[0].Features, func(f FeatureActivation) bool { return f.Values[0] > 0 }) {
		t.Errorf("all: no feature fires on the first token (%v)", err)
	}
	top, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{text}, Source: "1-res", K: 2, IgnoreBOS: true})
	if err != nil || len(top[0].Positions) != 3 || top[0].Positions[0].Position != 0 {
		t.Errorf("topk %+v, %v", top, err)
	}
	firing, err := e.ActivationSource(t.Context(), SourceRequest{Prompts: []string{text}, Source: "1-res"})
	if err != nil || !slices.ContainsFunc(firing[0].Features, func(f ActiveFeature) bool { return f.Values[0].Position == 0 }) {
		t.Errorf("source %+v, %v", firing, err)
	}
	similar, err := e.Similarity(t.Context(), SimilarityRequest{Source: "0-temp", Text: text})
	if err != nil || len(similar.Matrix) != 3 || len(similar.Tokens) != 3 {
		t.Errorf("similarity %+v, %v", similar, err)
	}
}

// TestBOSInsideAText: on the way of one feature a BOS inside the text is silenced, as clients
// of the server npinf replaces know it; elsewhere it is a token like any other.
func TestBOSInsideAText(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	const text = "a" + tinyBOS + "b"
	all, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{text}, SourceSet: "res", Sources: []string{"1-res"}, IgnoreBOS: true, Results: 1000})
	if err != nil || len(all[0].Tokens) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	at := slices.IndexFunc(all[0].Features, func(f FeatureActivation) bool { return f.Values[2] > 0 && f.Values[3] > 0 })
	if at < 0 {
		t.Fatal("no feature fires on both the BOS and the token behind it")
	}
	single, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{text}, Source: pointer("1-res"), Index: pointer(strconv.Itoa(all[0].Features[at].Index))})
	if err != nil || len(single[0].Values) != 3 || single[0].Values[1] != 0 || single[0].Values[2] == 0 {
		t.Errorf("%+v, %v", single, err)
	}
}

// TestSeveralDirectionsAtOneLayer: each acts on what the one before it left.
func TestSeveralDirectionsAtOneLayer(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	w := e.world.Load()
	first, second := []float64{1, -2, 0.5, 0, 3, 1, 1, -1}, []float64{0, 1, 1, -1, 2, 0, 0, 1}
	start := []float32{1, 2, 3, -1, -2, 0.5, 1, 4}
	for _, order := range [][][]float64{{first, second}, {second, first}} {
		s := Steering{Method: OrthogonalParts, Multiplier: 1}
		want := slices.Clone(start)
		for i, vector := range order {
			s.Vectors = append(s.Vectors, SteerVector{Vector: vector, Strength: float64(3 * i), Hook: "blocks.0.hook_resid_post"})
			steerRow(want, vector, OrthogonalParts, false, float64(3*i))
		}
		if got := applied(t, w, s, start); !nearly(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// applied is a row after all operations of a request.
func applied(t *testing.T, w *world, s Steering, row []float32) []float32 {
	directions, err := w.directions(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	operations, release, err := w.operations(s, directions)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	buffer := w.device.Upload(1, len(row), row)
	defer w.device.Release(buffer)
	for _, edit := range edits(operations, nil) {
		edit.Apply(w.device, buffer, []int{0})
	}
	return slices.Clone(w.download(buffer))
}

// TestStreamsHoldTheirMemory: what a generation reserved is taken until its last frame.
func TestStreamsHoldTheirMemory(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	w := e.world.Load()
	frames := 0
	_, err := e.SteerCompletion(t.Context(), SteerRequest{Prompt: "Once", Steering: steering(9)}, func(SteerFrame) error {
		frames++
		if used, _, _ := w.scheduler.memory.state(); used == 0 {
			t.Errorf("nothing is taken at frame %d", frames)
		}
		return nil
	})
	if used, _, _ := w.scheduler.memory.state(); err != nil || frames == 0 || used != 0 {
		t.Errorf("%d frames, %d bytes are still taken, %v", frames, used, err)
	}
}

// TestAxisOfUnsteeredText: the axis needs no steering, and an empty list is none.
func TestAxisOfUnsteeredText(t *testing.T) {
	e := loadChatty(t, nil)
	s := steering(3)
	s.Types, s.Features = []SteerType{Unsteered}, []SteerFeature{}
	r := SteerChatRequest{Steering: s, Messages: []Message{{Role: "user", Content: "Hi"}}, AssistantAxis: true}
	if frame, err := e.SteerChat(t.Context(), r, nil); err != nil || len(frame.Outputs) != 1 || frame.Axis != nil {
		t.Errorf("%+v, %v", frame, err)
	}
	s.Types = []SteerType{Steered, Unsteered}
	r.Steering = s
	if frame, err := e.SteerChat(t.Context(), r, nil); err != nil || frame.Outputs[0].Raw != frame.Outputs[1].Raw {
		t.Errorf("steered by nothing: %+v, %v", frame, err)
	}
}

// TestJacobianTokensUseTheLens: a token that steers through the lens does so whatever is read.
func TestJacobianTokensUseTheLens(t *testing.T) {
	e := serveTiny(t, &JacobianConfig{Source: "lenses"})
	w := e.world.Load()
	r := logitLens("Hello")
	r.SteerTokens, r.SteerStrength, r.SteerLayers = []LensToken{{"Q", JacobianLens}}, 0.5, []int{0}
	job, err := e.newLensJob(t.Context(), w, r)
	if err != nil {
		t.Fatal(err)
	}
	defer job.release()
	if job.jacobian == nil || len(job.edits) == 0 {
		t.Errorf("lens %v, %d edits", job.jacobian, len(job.edits))
	}
}

// TestRawNamesTheResolvedType: "auto" is no type, and rounding follows the type that is meant.
func TestRawNamesTheResolvedType(t *testing.T) {
	for configured, want := range map[string]string{"": "float32", "auto": "float32", "bfloat16": "bfloat16"} {
		config, _ := tinyConfig(t)
		config.ModelDType = configured
		result, err := loadTiny(t, config).ActivationRaw(t.Context(), RawRequest{Prompts: []string{"ab"}, HookPoint: "residual_stream", Type: "final_output_token"})
		if err != nil || result.DType != want {
			t.Errorf("%q: %s, %v", configured, result.DType, err)
			continue
		}
		rounded := true
		for _, value := range result.Prompts[0].Layers[0].Values[0] {
			rounded = rounded && value == round(value, rawDecimals)
		}
		if rounded != (want != "float32") {
			t.Errorf("%q: rounded %v", configured, rounded)
		}
	}
}

// TestTypesNamedTwice: a text is generated once however often it is asked for.
func TestTypesNamedTwice(t *testing.T) {
	config, counting := tinyConfig(t)
	device := &watchingDevice{Device: counting}
	config.Device = device
	e := loadTiny(t, config)
	work := func(types ...SteerType) (attentions int, outputs []SteerOutput) {
		device.during = func() { attentions++ }
		s := steering(7)
		s.Types = types
		outputs = mustSteer(t, e, "Once", s).Outputs
		device.during = nil
		return attentions, outputs
	}
	work(Steered) // loads the source
	pair, texts := work(Steered, Unsteered)
	many, repeated := work(Unsteered, Steered, Steered, Unsteered, Steered)
	if pair == 0 || many != pair {
		t.Errorf("%d attentions for two texts, %d for the same two named five times", pair, many)
	}
	for i, which := range []int{1, 0, 0, 1, 0} {
		if repeated[i].Text != texts[which].Text {
			t.Errorf("output %d is %q, want %q", i, repeated[i].Text, texts[which].Text)
		}
	}
}

// TestLensSteersSpecialTokens: a special token is a direction like any other.
func TestLensSteersSpecialTokens(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	r := logitLens("Hello")
	_, _, plain, _ := readLens(t, e, r)
	r.SteerTokens, r.SteerStrength, r.SteerLayers = []LensToken{{tinyBOS, LogitLens}}, 1, []int{1}
	_, _, steered, _ := readLens(t, e, r)
	if last := len(plain) - 1; reflect.DeepEqual(plain[last].Choices, steered[last].Choices) {
		t.Errorf("nothing changed: %+v", steered[last].Choices)
	}
}
