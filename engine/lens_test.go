package engine

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

// readLens gathers the pieces of an answer and checks their order.
func readLens(t *testing.T, e *Engine, r LensRequest) (meta LensMeta, prompt []LensPosition, readings []LensReading, done LensDone) {
	t.Helper()
	err := e.Lens(t.Context(), r, func(f LensFrame) error {
		switch {
		case f.Meta != nil:
			meta = *f.Meta
		case f.Reading != nil:
			readings = append(readings, *f.Reading)
		case f.Done != nil:
			done = *f.Done
		default:
			prompt = f.Prompt
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return meta, prompt, readings, done
}

func logitLens(text string) LensRequest {
	return LensRequest{Types: []LensType{LogitLens}, Prompt: &text, Top: 3, PrependBOS: true}
}

// TestLensReadsTheModel: what the last layer is read as is what the model says next, and a
// generated token was the likeliest one before it. Nothing stays on the device.
func TestLensReadsTheModel(t *testing.T) {
	config, device := tinyConfig(t)
	e := loadTiny(t, config)
	before := device.outstanding.Load()
	r := logitLens("Hello")
	r.Completion = 6
	meta, prompt, readings, done := readLens(t, e, r)
	if !reflect.DeepEqual(meta.Layers, [][]int{{0, 1}}) || meta.PromptLength != 6 || len(prompt) != 6 || prompt[0].Text != tinyBOS || prompt[0].Section != nil {
		t.Errorf("meta %+v, prompt %+v", meta, prompt)
	}
	if len(readings) != done.Length || done.Length < 7 || done.Vocabulary != tinyBytes+1 {
		t.Fatalf("%d readings, %+v", len(readings), done)
	}
	text := ""
	for i, reading := range readings {
		if reading.Position != i || reading.Generated != (i >= 6) {
			t.Errorf("reading %d: %+v", i, reading.LensPosition)
		}
		if !reading.Generated {
			continue
		}
		text += reading.Text
		if best := readings[i-1].Choices[0][1][0]; best.Text != reading.Text {
			t.Errorf("position %d is %q, but %q was the likeliest", i, reading.Text, best.Text)
		}
		if reading.Role == nil || *reading.Role != "assistant" || *reading.Section != "content" && *reading.Section != "footer" {
			t.Errorf("position %d: %+v", i, reading.Span)
		}
	}
	whole := append([]int{}, idsOfReadings(readings)...)
	again := LensRequest{Types: r.Types, InputIDs: whole, Top: 3, Completion: 5}
	_, _, repeated, repeatedDone := readLens(t, e, again)
	if len(repeated) != len(readings) || repeatedDone.Completion != "" {
		t.Fatalf("%d readings of the ids, %+v", len(repeated), repeatedDone)
	}
	for i := range readings {
		sameChoices(t, i, readings[i].Choices, repeated[i].Choices)
	}
	if after := device.outstanding.Load(); after != before {
		t.Errorf("%d buffers were not given back", after-before)
	}
}

func idsOfReadings(readings []LensReading) []int {
	var ids []int
	for _, r := range readings {
		ids = append(ids, r.ID)
	}
	return ids
}

// sameChoices allows one step of the last digit.
func sameChoices(t *testing.T, position int, a, b [][][]LensChoice) {
	t.Helper()
	for kind := range a {
		for layer := range a[kind] {
			for n, choice := range a[kind][layer] {
				other := b[kind][layer][n]
				if choice.Text != other.Text || !(math.Abs(choice.Probability-other.Probability) < 1.5e-4) {
					t.Errorf("position %d, type %d, layer %d: %+v, %+v", position, kind, layer, choice, other)
				}
			}
		}
	}
}

// TestLensReuse tells only what the client does not have, and all of it where something steers.
func TestLensReuse(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	r := logitLens("Hello")
	_, _, full, _ := readLens(t, e, r)
	r.CachedIDs = append(idsOfReadings(full)[:3], 1)
	meta, prompt, rest, done := readLens(t, e, r)
	if meta.Reused != 3 || len(prompt) != 6 || len(rest) != 3 || done.Length != 6 || rest[0].Position != 3 {
		t.Errorf("%+v, %d readings", meta, len(rest))
	}
	sameChoices(t, 3, rest[0].Choices, full[3].Choices)
	r.CachedIDs = idsOfReadings(full)
	if _, _, none, done := readLens(t, e, r); len(none) != 0 || done.Vocabulary != tinyBytes+1 {
		t.Errorf("everything is known, but %d readings came", len(none))
	}
	r.SteerTokens, r.SteerStrength = []LensToken{{"a", LogitLens}}, 0.5
	if meta, _, all, _ := readLens(t, e, r); meta.Reused != 0 || len(all) != 6 {
		t.Errorf("with steering: %+v", meta)
	}
}

// TestLensSteering: enough of a token's direction at the last layer makes it the likeliest
// token, taking it away makes it unlikely, and the BOS stays as it was.
func TestLensSteering(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	plain := logitLens("Hello")
	plain.Top = tinyBytes + 1
	_, _, before, _ := readLens(t, e, plain)
	rank := func(readings []LensReading, position int) int {
		return slices.IndexFunc(readings[position].Choices[0][1], func(c LensChoice) bool { return c.Text == "Q" })
	}
	steered := plain
	steered.SteerTokens, steered.SteerLayers, steered.SteerStrength = []LensToken{{"Q", LogitLens}}, []int{1}, 1
	_, _, after, _ := readLens(t, e, steered)
	sameChoices(t, 0, before[0].Choices, after[0].Choices)
	for position := 1; position < 6; position++ {
		if a, b := rank(before, position), rank(after, position); b > a || b > 40 {
			t.Errorf("position %d: from place %d to %d", position, a, b)
		}
	}
	steered.SteerStrength = 0
	if _, _, same, _ := readLens(t, e, steered); !reflect.DeepEqual(same, before) {
		t.Error("strength 0 changed something")
	}
	steered.SteerAblate = true
	_, _, ablated, _ := readLens(t, e, steered)
	if reflect.DeepEqual(ablated[3], before[3]) || !reflect.DeepEqual(ablated[0], before[0]) {
		t.Error("ablation changed the BOS or nothing")
	}
	steered.SwapToken = &LensToken{"Z", LogitLens}
	if _, _, swapped, _ := readLens(t, e, steered); reflect.DeepEqual(swapped[3], ablated[3]) {
		t.Error("swapping did what ablation does")
	}
}

// TestLensLayersOfSteering: none means those that are read.
func TestLensLayersOfSteering(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	r := logitLens("Hello")
	r.SteerTokens, r.SteerStrength, r.Layers = []LensToken{{"Q", LogitLens}}, 0.5, []int{0}
	_, _, open, _ := readLens(t, e, r)
	r.SteerLayers = []int{1, 0, 1}
	if _, _, named, _ := readLens(t, e, r); !reflect.DeepEqual(open, named) {
		t.Error("no steer layers are not the layers that are read")
	}
}

// TestLensSeed repeats what was sampled.
func TestLensSeed(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	r := logitLens("Hello")
	r.Completion, r.Temperature, r.Seed = 8, 2, pointer(5)
	_, _, _, first := readLens(t, e, r)
	_, _, _, second := readLens(t, e, r)
	r.Seed = pointer(6)
	_, _, _, other := readLens(t, e, r)
	if first != second || first == other {
		t.Errorf("%+v, %+v, %+v", first, second, other)
	}
}
