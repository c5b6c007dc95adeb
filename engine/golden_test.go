package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/model"
)

// recordedCase is one line of a case file: a request and what is to be answered. Where NPInf
// is there it replaces the recorded response.
type recordedCase struct {
	ID, Group, Config string
	Request           struct {
		Path string
		Body json.RawMessage
	}
	Response struct {
		Status int
		Body   json.RawMessage
	}
	NPInf *struct {
		Status json.RawMessage // a number or a list of them
		Body   json.RawMessage
		Has    json.RawMessage `json:"body_has"`
		Texts  json.RawMessage `json:"error_contains"` // a text or a list of them
	}
	Tolerance     tolerance
	Deterministic *bool
	Ignore        []string // dotted paths that are not compared
}

// TestGoldenEngine asks an engine over the recorded worlds what the reference was asked, and
// compares the answers as far as they are the engine's: numbers and texts, not their JSON.
func TestGoldenEngine(t *testing.T) {
	root := golden.Dir(t, "server")
	var worlds map[string]json.RawMessage
	golden.ReadJSON(t, filepath.Join(root, "configs.json"), &worlds)
	for name, content := range worlds {
		var configs map[string]map[string]*string
		if json.Unmarshal(content, &configs) != nil { // the note
			continue
		}
		for config, environment := range configs {
			cases := readCases(t, filepath.Join(root, name, "cases-"+config+".jsonl"))
			if len(cases) == 0 {
				continue
			}
			if folder := filepath.Join(root, name, "persona"); golden.Exists(folder) {
				environment["PERSONA_DIR"] = &folder
			}
			t.Run(name+"/"+config, func(t *testing.T) {
				replay(t, openWorld(t, environment), cases)
			})
		}
	}
}

// readCases reads the cases whose answer is the engine's: those the schema refuses (422) and
// those sent as raw bytes belong to the server.
func readCases(t *testing.T, path string) []recordedCase {
	if !golden.Exists(path) {
		return nil
	}
	var cases []recordedCase
	lines := bufio.NewScanner(bytes.NewReader(golden.ReadFile(t, path)))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c recordedCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		status := c.Response.Status
		if verbs[c.Request.Path] == nil || c.Request.Body == nil || status == 422 || status == 401 || status == 0 {
			continue
		}
		cases = append(cases, c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

func replay(t *testing.T, e *Engine, cases []recordedCase) {
	asked := 0
	for _, c := range cases {
		answer, err := verbs[c.Request.Path](t.Context(), e, c.Request.Body)
		if errors.Is(err, errNotForEngine) {
			continue
		}
		asked++
		if reason := c.decidedSince(e); reason != "" {
			t.Logf("%s: not compared: %s", c.ID, reason)
			continue
		}
		if differences := c.compare(answer, err); len(differences) > 0 {
			t.Errorf("%s: %s", c.ID, strings.Join(differences[:min(3, len(differences))], "; "))
		}
	}
	t.Logf("%d of %d cases asked", asked, len(cases))
}

// decidedSince names the decision of the contract that came after a case was recorded. Such
// cases exist only where nobody marked the answer npinf gives instead.
func (c *recordedCase) decidedSince(e *Engine) string {
	r, err := decode(c.Request.Body)
	if err != nil || c.NPInf != nil || c.Response.Status != 200 {
		return ""
	}
	w := e.world.Load()
	_, _, hasBOS := w.tokenizer.BOS()
	if r.Vector != nil && r.Hook != nil && hasBOS && !w.tokenizer.PrependsBOS() {
		return "W-11: a vector sees the BOS that the reference does not add"
	}
	known, loaded := w.facts[text(r.Source, "")]
	attributed := bytes.Contains(c.Response.Body, []byte(`"dfaValues":[`))
	if loaded && attributed && known.address.Point != model.Z {
		return "W-26: no attribution for a source that does not read z"
	}
	return ""
}

// compare lists the differences between an answer and what was expected.
func (c *recordedCase) compare(answer any, err error) []string {
	status, body, partial := []int{c.Response.Status}, c.Response.Body, false
	var texts []string
	if c.NPInf != nil {
		status = numbers(c.NPInf.Status, c.Response.Status)
		body, partial = c.NPInf.Body, c.NPInf.Has != nil
		if partial {
			body = c.NPInf.Has
		}
		texts = stringsOf(c.NPInf.Texts)
	} else if c.Response.Status >= 400 {
		var refused struct{ Error string }
		_ = json.Unmarshal(body, &refused)
		texts, body = []string{refused.Error}, nil
	}
	if !slices.Contains(status, statusOf(err)) {
		return []string{"status: want " + toText(status) + ", got " + toText(statusOf(err)) + ": " + toText(err)}
	}
	for _, text := range texts {
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text)) {
			return []string{"error: want …" + text + "…, got " + toText(err)}
		}
	}
	if body == nil || err != nil {
		return nil
	}
	comparison := comparison{tolerance: c.Tolerance.orDefault(), ignore: c.Ignore}
	var want any
	_ = json.Unmarshal(body, &want)
	got := asJSON(answer)
	if partial {
		got = only(got.(map[string]any), want.(map[string]any))
	}
	comparison.run(want, got, nil)
	return comparison.differences
}

func only(all, wanted map[string]any) map[string]any {
	some := map[string]any{}
	for key := range wanted {
		some[key] = all[key]
	}
	return some
}

// statusOf is the HTTP status of an error's code, as far as these tests meet them.
func statusOf(err error) int {
	var known *Error
	switch {
	case err == nil:
		return 200
	case errors.As(err, &known) && known.Code == Invalid:
		return 400
	}
	return 500
}

func numbers(raw json.RawMessage, standard int) []int {
	if raw == nil {
		return []int{standard}
	}
	var list []int
	if json.Unmarshal(raw, &list) != nil {
		list = []int{0}
		_ = json.Unmarshal(raw, &list[0])
	}
	return list
}

func stringsOf(raw json.RawMessage) []string {
	var list []string
	if raw != nil && json.Unmarshal(raw, &list) != nil {
		list = []string{""}
		_ = json.Unmarshal(raw, &list[0])
	}
	return list
}

func toText(v any) string {
	if err, ok := v.(error); ok {
		return err.Error()
	}
	text, _ := json.Marshal(v)
	return string(text)
}

// asJSON brings an answer into the form of decoded JSON.
func asJSON(v any) any {
	content, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var decoded any
	_ = json.Unmarshal(content, &decoded)
	return decoded
}

// verb asks the engine with a request body and gives the body of the answer.
type verb func(ctx context.Context, e *Engine, body []byte) (any, error)

// errNotForEngine says that a body needs the server's reading of types first.
var errNotForEngine = errors.New("the server must read this body")
