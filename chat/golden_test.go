package chat

import (
	"bufio"
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"npinf/internal/golden"
	"npinf/tokenizer"
)

// recordedClock is the date of the recorded renders.
func recordedClock() time.Time { return time.Date(2025, time.August, 5, 12, 0, 0, 0, time.UTC) }

// recordedCase is a recorded answer of the reference server, as far as it concerns chats.
type recordedCase struct {
	ID      string
	Request struct {
		Path string
		Body json.RawMessage
	}
	Response struct {
		Status int
		Body   json.RawMessage
		Text   string
	}
	Npinf json.RawMessage // npinf answers differently on purpose
}

// recordedLabel is a token of a recorded answer; the endpoints spell its keys differently.
type recordedLabel struct {
	TokenID       *int `json:"tokenId"`
	ID            *int
	Token         string
	TokenStr      string `json:"tokenStr"`
	IsGenerated   bool   `json:"is_generated"`
	MessageIndex  *int   `json:"messageIndex"`
	MessageIndex2 *int   `json:"message_index"`
	Role          *string
	Channel       *string
	Section       *string
}

// chatRequest is the body of a request with messages.
type chatRequest struct {
	Messages            []Message
	Chat                []Message
	AddGenerationPrompt *bool
	ChatTemplateKwargs  json.RawMessage
	EnableThinking      bool
	PreserveThinking    *bool
}

// walkCases calls check for every recorded case whose path ends so and whose body has the
// key, with the tokenizer of the model it was sent to.
func walkCases(t *testing.T, pathEnd, key string, check func(*testing.T, *tokenizer.Tokenizer, recordedCase)) {
	t.Helper()
	dir := golden.Dir(t, "server")
	files, err := filepath.Glob(filepath.Join(dir, "*", "cases-*.jsonl*"))
	if err != nil || len(files) == 0 {
		golden.Missing(t, "no recorded answers in "+dir)
	}
	repositories := worldRepositories(t, dir)
	for _, path := range files {
		world := filepath.Base(filepath.Dir(path))
		name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "cases-"), ".")
		cases := readCases(t, path, pathEnd, key)
		if len(cases) == 0 {
			continue
		}
		t.Run(world+"/"+name, func(t *testing.T) {
			model := loadRepository(t, repositories[world+"/"+name])
			for _, c := range cases {
				check(t, model, c)
			}
			t.Logf("%d cases", len(cases))
		})
	}
}

func readCases(t *testing.T, path, pathEnd, key string) []recordedCase {
	t.Helper()
	var cases []recordedCase
	lines := bufio.NewScanner(bytes.NewReader(golden.ReadFile(t, path)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(pathEnd)) {
			continue
		}
		var c recordedCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil || !strings.HasSuffix(c.Request.Path, pathEnd) {
			continue
		}
		var body map[string]json.RawMessage
		if json.Unmarshal(c.Request.Body, &body) == nil && body[key] != nil {
			cases = append(cases, c)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// worldRepositories maps world/config to the repository it serves.
func worldRepositories(t *testing.T, dir string) map[string]string {
	t.Helper()
	var worlds map[string]json.RawMessage
	golden.ReadJSON(t, filepath.Join(dir, "configs.json"), &worlds)
	repositories := map[string]string{}
	for world, raw := range worlds {
		var configs map[string]map[string]*string
		if json.Unmarshal(raw, &configs) != nil {
			continue // a note
		}
		for name, environment := range configs {
			for _, key := range []string{"MODEL_ID", "OVERRIDE_MODEL_ID"} {
				if value := environment[key]; value != nil && *value != "" {
					repositories[world+"/"+name] = *value
				}
			}
		}
	}
	return repositories
}

// loaded holds the tokenizers that a test has needed so far: they are large.
var loaded = map[string]*tokenizer.Tokenizer{}

// loadRepository loads a tokenizer of the recorded hub, whose LINKS.json tells where files
// shared by several repositories lie.
func loadRepository(t *testing.T, repository string) *tokenizer.Tokenizer {
	t.Helper()
	if loaded[repository] != nil {
		return loaded[repository]
	}
	hub := golden.Dir(t, "hub")
	var links map[string]string
	golden.ReadJSON(t, filepath.Join(hub, "LINKS.json"), &links)
	read := func(name string) []byte {
		path := filepath.Join(hub, filepath.FromSlash(repository), name)
		if link := links[repository+"/"+name]; link != "" {
			path = filepath.Join(hub, "..", "..", filepath.FromSlash(link))
		}
		if !golden.Exists(path) {
			return nil
		}
		return golden.ReadFile(t, path)
	}
	model, err := tokenizer.Load(tokenizer.Files{Tokenizer: read("tokenizer.json"), Config: read("tokenizer_config.json"),
		SpecialTokensMap: read("special_tokens_map.json"), ChatTemplate: read("chat_template.jinja")})
	if err != nil {
		t.Fatalf("%s: %v", repository, err)
	}
	loaded[repository] = model
	return model
}

// TestGoldenSpans holds rendered conversations, their ids, the labels of their tokens and the
// errors to the recorded answers of /v1/apply-chat-template.
func TestGoldenSpans(t *testing.T) {
	walkCases(t, "/apply-chat-template", "messages", func(t *testing.T, model *tokenizer.Tokenizer, c recordedCase) {
		if c.Response.Status == 422 {
			return // refused before any template
		}
		var request chatRequest
		if err := json.Unmarshal(c.Request.Body, &request); err != nil {
			request = chatRequest{}
			var lenient struct{ Messages []Message }
			if err := json.Unmarshal(c.Request.Body, &lenient); err != nil {
				return // a body that this test does not read: raw or of other kinds
			}
			request.Messages = lenient.Messages
		}
		options := Options{AddGenerationPrompt: request.AddGenerationPrompt == nil || *request.AddGenerationPrompt}
		if len(request.ChatTemplateKwargs) > 0 {
			var err error
			if options.Arguments, err = ParseArguments(request.ChatTemplateKwargs); err != nil {
				t.Errorf("%s: %v", c.ID, err)
				return
			}
		}
		checkApplied(t, New(model, recordedClock), request.Messages, options, c)
	})
}

func checkApplied(t *testing.T, template *Template, messages []Message, options Options, c recordedCase) {
	t.Helper()
	text, err := template.Render(t.Context(), messages, options)
	if c.Response.Status != 200 {
		var want struct{ Error string }
		if json.Unmarshal(c.Response.Body, &want) != nil || err == nil {
			t.Errorf("%s: rendered, want status %d %s", c.ID, c.Response.Status, c.Response.Body)
			return
		}
		reason, ok := strings.CutPrefix(want.Error, "Failed to apply chat template: ")
		if ok && len(c.Npinf) == 0 && err.Error() != reason {
			t.Errorf("%s: error %q, want %q", c.ID, err, reason)
		}
		return
	}
	var want struct {
		Prompt string
		Tokens []int
		Spans  []recordedLabel
	}
	if jsonErr := json.Unmarshal(c.Response.Body, &want); jsonErr != nil || err != nil {
		t.Errorf("%s: %v %v", c.ID, err, jsonErr)
		return
	}
	ids := template.Encode(text)
	if text != want.Prompt || !slices.Equal(ids, want.Tokens) {
		t.Errorf("%s:\n got %q %v\nwant %q %v", c.ID, text, ids, want.Prompt, want.Tokens)
		return
	}
	checkLabels(t, c.ID, template, messages, options, ids, want.Spans)
}

func checkLabels(t *testing.T, id string, template *Template, messages []Message, options Options, ids []int, want []recordedLabel) {
	t.Helper()
	labels, err := template.Spans(t.Context(), messages, options, ids)
	if err != nil || len(labels) != len(want) {
		t.Errorf("%s: %d labels (%v), want %d", id, len(labels), err, len(want))
		return
	}
	for i, label := range labels {
		checkLabel(t, id, i, label, want[i])
	}
}

func checkLabel(t *testing.T, id string, position int, got Label, want recordedLabel) {
	t.Helper()
	message := want.MessageIndex
	if message == nil {
		message = want.MessageIndex2
	}
	if !equal(got.Message, message) || !equal(got.Role, want.Role) || !equal(got.Channel, want.Channel) || want.Section == nil || string(got.Section) != *want.Section {
		t.Errorf("%s: position %d %q: got %s, want %s", id, position, want.Token+want.TokenStr, show(got), show(want))
	}
}

func equal[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func show(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// TestGoldenLensSpans holds the labels of prompt and generated tokens to the recorded answers
// of /v1/lens/prompt to conversations.
func TestGoldenLensSpans(t *testing.T) {
	walkCases(t, "/lens/prompt", "chat", func(t *testing.T, model *tokenizer.Tokenizer, c recordedCase) {
		var request chatRequest
		if json.Unmarshal(c.Request.Body, &request) != nil || len(request.Chat) == 0 || c.Response.Status != 200 {
			return
		}
		template := New(model, recordedClock)
		last := len(request.Chat) - 1
		open := request.Chat[last].Role == "assistant"
		options := Options{AddGenerationPrompt: !open, ContinueFinalMessage: open,
			Arguments: template.Thinking(request.EnableThinking, request.PreserveThinking == nil || *request.PreserveThinking)}
		text, err := template.Render(t.Context(), request.Chat, options)
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			return
		}
		ids := template.Encode(text)
		prompt, generated := lensTokens(c)
		var want, texts = []int{}, []string{}
		for _, token := range prompt {
			want = append(want, *token.ID)
			texts = append(texts, model.TokenString(*token.ID))
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: ids %v, want %v", c.ID, ids, want)
			return
		}
		checkLabels(t, c.ID, template, request.Chat, options, ids, prompt)
		var continued *int
		if open {
			continued = &last
		}
		tracker := ConventionOf(model).Track(texts, continued)
		for i, token := range generated {
			checkLabel(t, c.ID, len(ids)+i, tracker.Next(model.TokenString(*token.ID)), token)
		}
	})
}

// lensTokens returns the tokens of a lens answer, streamed or not.
func lensTokens(c recordedCase) (prompt, generated []recordedLabel) {
	type frame struct {
		Kind string
		recordedLabel
		Tokens []recordedLabel
	}
	var tokens []recordedLabel
	for line := range strings.Lines(c.Response.Text) {
		var f frame
		if json.Unmarshal([]byte(line), &f) != nil {
			continue
		}
		if f.Kind == "prompt" {
			prompt = f.Tokens
		} else if f.Kind == "token" && f.IsGenerated {
			generated = append(generated, f.recordedLabel)
		}
	}
	var body frame
	if json.Unmarshal(c.Response.Body, &body) == nil {
		tokens = body.Tokens
	}
	for _, token := range tokens {
		if token.IsGenerated {
			generated = append(generated, token)
		} else {
			prompt = append(prompt, token)
		}
	}
	return prompt, generated
}

// TestGoldenCompose holds composition and stripping to the recorded results.
func TestGoldenCompose(t *testing.T) {
	path := filepath.Join(golden.Dir(t, "server"), "compose.jsonl")
	if !golden.Exists(path) {
		golden.Missing(t, "no "+path)
	}
	conventions := map[string]Convention{}
	checked := 0
	for line := range bytes.Lines(golden.ReadFile(t, path)) {
		var c struct {
			ID, Kind, Tokenizer, Prompt, Output, Text, Stripped string
			Turns                                               []Message
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		checked++
		if c.Kind == "strip" {
			if got := StripReasoning(c.Text); got != c.Stripped {
				t.Errorf("%s: %q, want %q", c.ID, got, c.Stripped)
			}
			continue
		}
		if _, ok := conventions[c.Tokenizer]; !ok {
			conventions[c.Tokenizer] = ConventionOf(loadRepository(t, c.Tokenizer))
		}
		got := conventions[c.Tokenizer].Compose(c.Output, c.Prompt)
		if !slices.Equal(got, c.Turns) {
			t.Errorf("%s: %v, want %v", c.ID, got, c.Turns)
		}
	}
	if checked == 0 {
		t.Error("no cases")
	}
}
