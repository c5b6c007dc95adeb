package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"npinf/hub"
)

// loadChatty loads the tiny model with a chat template.
func loadChatty(t *testing.T, change func(*Config)) *Engine {
	t.Helper()
	config, _ := tinyConfig(t)
	files := tinyModel()
	template := `{{ bos_token }}{% for m in messages %}{% if m.role == "critic" %}{{ raise_exception("no critics") }}{% endif %}` +
		`{% if m.role == "loop" %}{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}{% endif %}` +
		`{% macro again() %}{{ again() }}{% endmacro %}{% if m.role == "recursion" %}{{ again() }}{% endif %}` +
		`{{ m.role[0] }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}a:{% endif %}`
	files["tokenizer_config.json"] = &fstest.MapFile{Data: toJSON(map[string]any{"bos_token": tinyBOS, "eos_token": tinyBOS,
		"tokenizer_class": "GPT2Tokenizer", "chat_template": template})}
	snapshot, err := hub.OpenFS("chatty", files)
	if err != nil {
		t.Fatal(err)
	}
	config.Demo = snapshot
	if change != nil {
		change(&config)
	}
	return loadTiny(t, config)
}

func TestSteerChat(t *testing.T) {
	e := loadChatty(t, nil)
	r := SteerChatRequest{Steering: steering(5), Messages: []Message{
		{Role: "user", Content: "Hi"}, {Role: "assistant", Content: "<think>x</think>"}, {Role: "assistant", Content: "<think>y</think> Yo "}}}
	var frames []ChatFrame
	last, err := e.SteerChat(t.Context(), r, func(f ChatFrame) error { frames = append(frames, f); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if last.Prompt != tinyBOS+"u:Hi;a:Yo;a:" || !slices.Equal(last.Input, r.Messages) {
		t.Errorf("prompt %q, input %+v", last.Prompt, last.Input)
	}
	for _, o := range last.Outputs {
		text := strings.TrimPrefix(o.Raw, last.Prompt)
		if text == o.Raw || len(o.Messages) != 4 || o.Messages[3].Content != strings.TrimSpace(text) {
			t.Errorf("output %+v", o)
		}
	}
	if len(frames) < 2 || frames[0].Outputs[1].Raw != last.Prompt || len(frames[0].Outputs[1].Messages) != 3 {
		t.Errorf("%d frames, first %+v", len(frames), frames[0])
	}
	r.SpecialTokens = true
	if everywhere, err := e.SteerChat(t.Context(), r, nil); err != nil || everywhere.Outputs[1].Raw != last.Outputs[1].Raw {
		t.Errorf("unsteered text changed: %v", err)
	}
	r.AssistantAxis = true
	count := len(frames)
	frames = nil
	axis, err := e.SteerChat(t.Context(), r, func(f ChatFrame) error { frames = append(frames, f); return nil })
	if err != nil || axis.Axis != nil || len(frames) != count+1 || axis.Input[1].Content != "Yo" {
		t.Errorf("axis without an asset: %+v, %d frames (%v)", axis, len(frames), err)
	}
}

// TestSparedTokens: the special tokens of a prompt are steered only when asked for.
func TestSparedTokens(t *testing.T) {
	e := loadChatty(t, nil)
	w := e.world.Load()
	r := SteerChatRequest{Steering: steering(5), Messages: []Message{{Role: "user", Content: "Hi"}}}
	spared, err := w.newTalk(t.Context(), r)
	if err != nil || !spared.spared[0] || slices.Contains(spared.spared[1:], true) {
		t.Errorf("spared %v (%v)", spared, err)
	}
	r.SpecialTokens = true
	if all, err := w.newTalk(t.Context(), r); err != nil || all.spared != nil {
		t.Errorf("spared %v (%v)", all, err)
	}
}

func TestChatMistakes(t *testing.T) {
	e := loadChatty(t, func(c *Config) { c.TokenLimit = 20 })
	user := []Message{{Role: "user", Content: "Hi"}}
	for name, c := range map[string]struct {
		messages []Message
		change   func(*Steering)
		says     string
	}{
		"both":           {nil, func(s *Steering) { s.Vectors = []SteerVector{} }, "exactly one of features or vectors"},
		"no messages":    {nil, func(*Steering) {}, "empty conversation"},
		"nothing left":   {[]Message{{Role: "assistant", Content: "<think>x</think>"}}, func(*Steering) {}, "empty conversation"},
		"template":       {[]Message{{Role: "critic"}}, func(*Steering) {}, "no critics"},
		"endless loop":   {[]Message{{Role: "loop"}}, func(*Steering) {}, "loops too long"},
		"too long":       {[]Message{{Role: "user", Content: strings.Repeat("a", 30)}}, func(*Steering) {}, "Text too long: 36 tokens, max is 20"},
		"unknown source": {user, func(s *Steering) { s.Features[0].Source = "9-x" }, "9-x"},
	} {
		s := steering(3)
		c.change(&s)
		_, err := e.SteerChat(t.Context(), SteerChatRequest{Messages: c.messages, Steering: s}, nil)
		var known *Error
		if !errors.As(err, &known) || known.Code != Invalid || !strings.Contains(known.Message, c.says) {
			t.Errorf("%s: %v, want …%s…", name, err, c.says)
		}
	}
	plain, _ := tinyConfig(t)
	_, err := loadTiny(t, plain).SteerChat(t.Context(), SteerChatRequest{Messages: user, Steering: steering(1)}, nil)
	if err == nil || !strings.Contains(err.Error(), "This model has no chat template") {
		t.Errorf("without a template: %v", err)
	}
}

func TestApplyChatTemplate(t *testing.T) {
	e := loadChatty(t, func(c *Config) { c.TokenLimit = 20 })
	r := TemplateRequest{Messages: []Message{{Role: "user", Content: "Hi"}}, Generation: true}
	rendered, err := e.ApplyChatTemplate(t.Context(), r)
	if err != nil || rendered.Prompt != tinyBOS+"u:Hi;a:" || len(rendered.IDs) != 8 || len(rendered.Labels) != 8 || rendered.Strings[3] != "H" {
		t.Errorf("%+v (%v)", rendered, err)
	}
	for says, change := range map[string]func(*TemplateRequest){
		"Failed to apply chat template: no critics":          func(r *TemplateRequest) { r.Messages[0].Role = "critic" },
		"steps of work: it loops too long":                   func(r *TemplateRequest) { r.Messages[0].Role = "loop" },
		"maximum recursion depth exceeded":                   func(r *TemplateRequest) { r.Messages[0].Role = "recursion" },
		"Rendered chat too long: 36 tokens, max is 20":       func(r *TemplateRequest) { r.Messages[0].Content = strings.Repeat("a", 30) },
		"Failed to apply chat template: got multiple values": func(r *TemplateRequest) { r.Arguments = []byte(`{"tokenize":true}`) },
	} {
		bad := TemplateRequest{Messages: slices.Clone(r.Messages), Generation: true}
		change(&bad)
		_, err := e.ApplyChatTemplate(t.Context(), bad)
		if known := (*Error)(nil); !errors.As(err, &known) || known.Code != Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want …%s…", err, says)
		}
	}
}
