package chat

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"npinf/internal/jinja"
	"npinf/tokenizer"
)

// letters is a tokenizer with one token a character, and the added tokens given.
func letters(t *testing.T, template string, added ...string) *tokenizer.Tokenizer {
	t.Helper()
	vocabulary := map[string]int{"Ġ": 0, "Ċ": 1}
	for c := '!'; c <= '~'; c++ {
		vocabulary[string(c)] = len(vocabulary)
	}
	var tokens []map[string]any
	for i, content := range added {
		tokens = append(tokens, map[string]any{"id": len(vocabulary) + i, "content": content, "special": i%2 == 0})
	}
	byteLevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
	files := tokenizer.Files{
		Tokenizer: encode(t, map[string]any{"added_tokens": tokens, "pre_tokenizer": byteLevel, "decoder": byteLevel,
			"model": map[string]any{"type": "BPE", "vocab": vocabulary, "merges": []string{}}}),
		Config:       encode(t, map[string]any{"bos_token": "<s>"}),
		ChatTemplate: []byte(template),
	}
	model, err := tokenizer.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	document, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

const plainTemplate = `{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`

var trimmingTemplate = strings.Replace(plainTemplate, "m.content", "m.content|trim", 1)

func open(t *testing.T, template string) *Template {
	t.Helper()
	return New(letters(t, template, "<s>", "<|im_start|>", "<|im_end|>"), nil)
}

var talk = []Message{{Role: "user", Content: "ab"}, {Role: "assistant", Content: "xyz "}}

func TestRender(t *testing.T) {
	arguments, err := ParseArguments([]byte(`{"bos_token":"<b>"}`))
	if err != nil {
		t.Fatal(err)
	}
	const first = "<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n"
	for _, c := range []struct {
		template string
		messages []Message
		options  Options
		want     string
	}{
		{plainTemplate, talk[:1], Options{AddGenerationPrompt: true}, "<s>" + first},
		{plainTemplate, talk, Options{Arguments: arguments}, "<b>" + first + "xyz <|im_end|>\n"},
		{plainTemplate, talk, Options{ContinueFinalMessage: true}, "<s>" + first + "xyz "},
		{trimmingTemplate, talk, Options{ContinueFinalMessage: true}, "<s>" + first + "xyz"},
		{plainTemplate, talk, Options{Arguments: Arguments{}.WithFlag("continue_final_message", true)}, "<s>" + first + "xyz "},
	} {
		got, err := open(t, c.template).Render(t.Context(), c.messages, c.options)
		if err != nil || got != c.want {
			t.Errorf("got %q, %v\nwant %q", got, err, c.want)
		}
	}
}

func TestRenderErrors(t *testing.T) {
	var syntax *jinja.SyntaxError
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx      context.Context
		template string
		messages []Message
		options  Options
		is       func(error) bool
	}{
		"no template": {t.Context(), "", talk, Options{}, func(err error) bool { return err == ErrNoTemplate }},
		"no messages": {t.Context(), plainTemplate, nil, Options{}, func(err error) bool { return err == ErrNoMessages }},
		"invalid":     {t.Context(), "{% if %}", talk, Options{}, func(err error) bool { return errors.As(err, &syntax) }},
		"raised": {t.Context(), "{{ raise_exception('Only users') }}", talk, Options{},
			func(err error) bool { return err.Error() == "Only users" }},
		"cancelled": {cancelled, plainTemplate, talk, Options{}, func(err error) bool { return errors.Is(err, context.Canceled) }},
		"both ends": {t.Context(), plainTemplate, talk, Options{AddGenerationPrompt: true, ContinueFinalMessage: true},
			func(err error) bool { return strings.Contains(err.Error(), "exclude") }},
		"message not written": {t.Context(), "{{ messages|length }}", talk, Options{ContinueFinalMessage: true},
			func(err error) bool { return strings.Contains(err.Error(), "final message") }},
		"reserved": {t.Context(), plainTemplate, talk, Options{Arguments: Arguments{}.WithText("tokenize", "x")},
			func(err error) bool { return strings.Contains(err.Error(), "'tokenize'") }},
	} {
		if _, err := open(t, c.template).Render(c.ctx, c.messages, c.options); err == nil || !c.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseArgumentsWantsAnObject(t *testing.T) {
	for _, document := range []string{`[]`, `1`, `{`, ``} {
		if _, err := ParseArguments([]byte(document)); err == nil {
			t.Errorf("%q was accepted", document)
		}
	}
}

// sections writes labels as one letter a token: upper case for the first message.
func sections(labels []Label) string {
	var out strings.Builder
	for _, label := range labels {
		letter := string(label.Section)[:1]
		switch {
		case label.Message == nil:
			letter = "+"
		case *label.Message == 0:
			letter = strings.ToUpper(letter)
		}
		out.WriteString(letter)
	}
	return out.String()
}

func TestSpans(t *testing.T) {
	failing := "{% if not messages[-1].content %}{{ raise_exception('empty') }}{% endif %}" + plainTemplate
	for name, c := range map[string]struct {
		template string
		messages []Message
		options  Options
		want     string
	}{
		"prompt":        {plainTemplate, talk[:1], Options{AddGenerationPrompt: true}, "HHHHHHH" + "CC" + "FF" + "+++++++++++"},
		"closed":        {plainTemplate, talk, Options{}, "HHHHHHHCCFF" + "hhhhhhhhhhh" + "cccc" + "ff"},
		"open":          {plainTemplate, talk, Options{ContinueFinalMessage: true}, "HHHHHHHCCFF" + "hhhhhhhhhhh" + "cccc"},
		"empty":         {plainTemplate, []Message{{Role: "user"}}, Options{}, "HHHHHHH" + "HH"},
		"fails empty":   {failing, talk[:1], Options{}, "CCCCCCCCCCC"},
		"newline first": {plainTemplate, []Message{{Role: "user", Content: "\n\n"}}, Options{}, "HHHHHHH" + "CC" + "FF"},
	} {
		template := open(t, c.template)
		text, err := template.Render(t.Context(), c.messages, c.options)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		labels, err := template.Spans(t.Context(), c.messages, c.options, template.Encode(text))
		if got := sections(labels); err != nil || got != c.want {
			t.Errorf("%s: %q\n got %s, %v\nwant %s", name, text, got, err, c.want)
		}
	}
}

func TestPartition(t *testing.T) {
	ids, ends, err := open(t, plainTemplate).Partition(t.Context(), talk, Arguments{})
	if err != nil || !slices.Equal(ends, []int{11, 28}) || len(ids) != 28 {
		t.Errorf("%d ids, ends %v, %v", len(ids), ends, err)
	}
}

// follow writes what a tracker says of tokens: section and channel.
func follow(tracker *Tracker, tokens ...string) string {
	var out []string
	for _, token := range tokens {
		label := tracker.Next(token)
		text := string(label.Section)[:1]
		if label.Channel != nil {
			text += ":" + *label.Channel
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestTracker(t *testing.T) {
	plain, reasoning, harmony := Convention{}, Convention{reasoning: true}, Convention{harmony: true}
	for _, c := range []struct {
		convention     Convention
		prompt, tokens string
		want           string
	}{
		{plain, "", "a <think> b <|im_end|> c", "c c c f c"},
		{reasoning, "", "a <think> b <|im_end|> </think> c <|eot_id|>", "c h:analysis c:analysis f:analysis f:analysis c:final f:final"},
		{reasoning, "<think> x", "a </think> b", "c:analysis f:analysis c:final"},
		{reasoning, "<think> x </think>", "a", "c"},
		{harmony, "<|start|> assistant", "<|channel|> analysis <|message|> a <|end|> <|start|> assistant <|channel|> fi nal <|message|> b <|return|>",
			"h h:analysis h:analysis c:analysis f:analysis h h h h:fi h:final h:final c:final f:final"},
		{harmony, "", "a b", "h h"},
	} {
		got := follow(c.convention.Track(strings.Fields(c.prompt), nil), strings.Fields(c.tokens)...)
		if got != c.want {
			t.Errorf("%q: got %s\nwant %s", c.tokens, got, c.want)
		}
	}
	three := 3
	if label := plain.Track(nil, &three).Next("x"); label.Message != &three || *label.Role != "assistant" {
		t.Errorf("label %v", label)
	}
}

func TestConventionOf(t *testing.T) {
	for _, c := range []struct {
		added []string
		want  Convention
	}{
		{nil, Convention{}},
		{[]string{"<|channel|>", "<|message|>"}, Convention{harmony: true}},
		{[]string{"<think>"}, Convention{}},
		{[]string{"<think>", "</think>"}, Convention{reasoning: true}},
	} {
		if got := ConventionOf(letters(t, "", c.added...)); got != c.want {
			t.Errorf("%v: %v, want %v", c.added, got, c.want)
		}
	}
}

func TestCompose(t *testing.T) {
	plain, reasoning, harmony := Convention{}, Convention{reasoning: true}, Convention{harmony: true}
	for _, c := range []struct {
		convention     Convention
		prompt, output string
		want           string
	}{
		{plain, "", " a<|eot_id|>b<|im_end|>", "assistant:a"},
		{plain, "<think>", "a", "assistant:a"},
		{plain, "", "<|im_end|>a", ""},
		{reasoning, "x<think>", "a</think>b", "assistant:<think>a</think>b"},
		{reasoning, "x<think>", " <think>a", "assistant:<think>a"},
		{reasoning, "<think></think>", "a", "assistant:a"},
		{harmony, "", "<|channel|>analysis<|message|>one<|end|><|start|>assistant<|channel|>analysis<|message|>two<|end|><|start|>assistant<|channel|>final<|message|>b", "assistant:<think>two</think>b"},
		{harmony, "", "<|channel|>final<|message|>a<|start|>tool<|message|>t<|call|>", "assistant:a tool:t"},
		{harmony, "", "no mark", ""},
	} {
		var turns []string
		for _, turn := range c.convention.Compose(c.output, c.prompt) {
			turns = append(turns, turn.Role+":"+turn.Content)
		}
		if got := strings.Join(turns, " "); got != c.want {
			t.Errorf("%q: got %q, want %q", c.output, got, c.want)
		}
	}
	if got := StripReasoning(" <think>a\nb</think> c <think>d</think>e<think>f"); got != "c e<think>f" {
		t.Errorf("stripped: %q", got)
	}
}

func TestThinkingPassesOnlyWhatTheTemplateNames(t *testing.T) {
	got := open(t, "{{ enable_thinking }} {{ reasoning_effort }} {{ preserve_thinking is defined }}").Thinking(true, true)
	if len(got.list) != 3 {
		t.Errorf("arguments %v", got)
	}
	template := open(t, "{{ reasoning_effort }} {{ 'ok' }}")
	text, err := template.Render(t.Context(), talk, Options{Arguments: template.Thinking(false, true)})
	if err != nil || text != "low ok" || template.Accepts("enable_thinking") {
		t.Errorf("%q, %v", text, err)
	}
}
