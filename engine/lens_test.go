package engine

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"npinf/hub"
	"npinf/sae"
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
