package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"
)

// serverCase is a recorded answer of the reference server, as far as it concerns tokens.
type serverCase struct {
	ID      string
	Group   string
	Form    string
	Request struct {
		Path string
		Body json.RawMessage
	}
	Response serverAnswer
	Npinf    *serverAnswer // the answer expected of npinf where it decides differently
}

type serverAnswer struct {
	Status json.RawMessage // a number or a list of them
	Body   json.RawMessage
}

// TestGoldenServerTokens checks the tokens, token texts and special marks in the recorded
// answers of /v1/tokenize and /v1/activation/single.
func TestGoldenServerTokens(t *testing.T) {
	dir := golden.Dir(t, "server")
	files, err := filepath.Glob(filepath.Join(dir, "*", "cases-*.jsonl*"))
	if err != nil || len(files) == 0 {
		golden.Missing(t, "no recorded answers in "+dir)
	}
	repositories := worldRepositories(t, filepath.Join(dir, "configs.json"))
	tokenizers := map[string]*Tokenizer{}
	for _, path := range files {
		world := filepath.Base(filepath.Dir(path))
		name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(path), "cases-"), ".")
		repository := repositories[world+"/"+name]
		t.Run(world+"/"+name, func(t *testing.T) {
			cases := tokenCases(t, path)
			if len(cases) == 0 {
				return
			}
			if tokenizers[repository] == nil {
				tokenizers[repository] = loadRepository(t, repository)
			}
			for _, c := range cases {
				checkServerCase(t, tokenizers[repository], c)
			}
			t.Logf("%d answers checked", len(cases))
		})
	}
}

// worldRepositories maps world/config to the repository it serves.
func worldRepositories(t *testing.T, path string) map[string]string {
	var worlds map[string]json.RawMessage
	golden.ReadJSON(t, path, &worlds)
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

// loadRepository loads a tokenizer of the recorded hub, whose LINKS.json tells where the
// larger files lie.
func loadRepository(t *testing.T, repository string) *Tokenizer {
	t.Helper()
	hub := golden.Dir(t, "hub")
	var links map[string]string
	golden.ReadJSON(t, filepath.Join(hub, "LINKS.json"), &links)
	files := folderFiles(t, filepath.Join(hub, repository))
	if link, ok := links[repository+"/tokenizer.json"]; ok {
		path := filepath.Join(hub, "..", "..", link)
		if !golden.Exists(path) {
			golden.Missing(t, "no "+path)
		}
		files.Tokenizer = golden.ReadFile(t, path)
	}
	tokenizer, err := Load(files)
	if err != nil {
		t.Fatalf("%s: %v", repository, err)
	}
	return tokenizer
}

// tokenCases reads the successful answers that show tokens.
func tokenCases(t *testing.T, path string) (cases []serverCase) {
	lines := bufio.NewScanner(bytes.NewReader(golden.ReadFile(t, path)))
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var c serverCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			continue // a body that is not JSON concerns others
		}
		if c.Npinf != nil {
			c.Response = *c.Npinf
		}
		if isTokenCase(c) && string(c.Response.Status) == "200" && len(c.Response.Body) > 0 {
			cases = append(cases, c)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// isTokenCase leaves out what is about requests rather than tokens: spellings of keys,
// unusual JSON, and activations of vectors and hooks, which treat the BOS otherwise.
func isTokenCase(c serverCase) bool {
	if c.Form == "spelling" || c.Group != "tokenize" && c.Group != "activation/single" {
		return false
	}
	var body struct{ Source, Text *string }
	return json.Unmarshal(c.Request.Body, &body) == nil && (body.Source != nil || body.Text != nil)
}

func checkServerCase(t *testing.T, tokenizer *Tokenizer, c serverCase) {
	t.Helper()
	var request struct {
		Text, Prompt    string
		PrependBOS      *bool `json:"prependBos"`
		PrependBOSSnake *bool `json:"prepend_bos"`
	}
	var answer struct {
		Tokens          json.RawMessage
		TokenStrings    []string
		TokensIsSpecial []bool
	}
	if json.Unmarshal(c.Request.Body, &request) != nil || json.Unmarshal(c.Response.Body, &answer) != nil {
		t.Errorf("%s: unreadable case", c.ID)
		return
	}
	if c.Request.Path == "/v1/tokenize" {
		prepend := true
		for _, flag := range []*bool{request.PrependBOS, request.PrependBOSSnake} {
			if flag != nil {
				prepend = *flag
			}
		}
		var want []int
		_ = json.Unmarshal(answer.Tokens, &want)
		ids := tokenizer.Prompt(request.Text, prepend)
		checkTokens(t, tokenizer, c.ID, ids, want, answer.TokenStrings, nil)
		return
	}
	var texts []string
	_ = json.Unmarshal(answer.Tokens, &texts)
	ids := tokenizer.Prompt(request.Prompt, true)
	if bos, _, ok := tokenizer.BOS(); ok && len(ids) > 0 && ids[0] == bos {
		ids = ids[1:] // activations leave the BOS out
	}
	checkTokens(t, tokenizer, c.ID, ids, nil, texts, answer.TokensIsSpecial)
}

// checkTokens compares ids (where recorded), texts and special marks (where recorded).
func checkTokens(t *testing.T, tokenizer *Tokenizer, name string, ids, wantIDs []int, texts []string, special []bool) {
	t.Helper()
	if wantIDs != nil && !slices.Equal(ids, wantIDs) {
		t.Errorf("%s: ids %v, want %v", name, ids, wantIDs)
	}
	var gotTexts []string
	var gotSpecial []bool
	for _, id := range ids {
		gotTexts = append(gotTexts, tokenizer.TokenString(id))
		gotSpecial = append(gotSpecial, tokenizer.IsSpecial(id))
	}
	if len(ids) > 0 && !slices.Equal(gotTexts, texts) {
		t.Errorf("%s: texts %q, want %q", name, gotTexts, texts)
	}
	if special != nil && !slices.Equal(gotSpecial, special) {
		t.Errorf("%s: special %v, want %v", name, gotSpecial, special)
	}
}
