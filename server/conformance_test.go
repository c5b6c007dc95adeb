package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/internal/schema"

	"github.com/getkin/kin-openapi/openapi3"
)

// exchange is a request with its answer, and what the document says of both.
type exchange struct {
	path      string
	request   []byte
	mediaType string // of the request
	answer    *httptest.ResponseRecorder
	operation *openapi3.Operation
	problem   error // of the request, or of the answer
}

// fits tells whether a body is one that the document describes.
func (x *exchange) fits(body []byte) bool { return x.requestProblem(body) == nil }

func (x *exchange) requestProblem(body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return x.operation.RequestBody.Value.Content[jsonType].Schema.Value.VisitJSON(v, openapi3.VisitAsRequest(), openapi3.EnableJSONSchema2020())
}

// answerFits compares a body with what the document says of the answer's status and type.
func (x *exchange) answerFits(body []byte) error {
	response := x.operation.Responses.Value(strconv.Itoa(x.answer.Code))
	if response == nil {
		return errors.New("the status is not described")
	}
	kind, _, _ := strings.Cut(x.answer.Header().Get("Content-Type"), ";")
	media := response.Value.Content[kind]
	if media == nil {
		return errors.New("the type " + kind + " is not described")
	}
	return visit(media.Schema.Value, body)
}

func visit(model *openapi3.Schema, body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return model.VisitJSON(v, openapi3.VisitAsResponse(), openapi3.EnableJSONSchema2020())
}

// check holds an exchange to the document and counts the known mismatches. It says what is
// wrong, "" for nothing.
func (x *exchange) check(counts map[string]int) string {
	status := x.answer.Code
	judged := status != http.StatusUnauthorized && status != http.StatusInternalServerError // those come before the body is looked at
	if x.operation.RequestBody != nil && judged {
		x.problem = x.requestProblem(x.request)
		if (x.problem != nil) != (status == http.StatusUnprocessableEntity) && !x.known(requestMismatches, counts) {
			return "the request got " + strconv.Itoa(status) + " and the document says: " + problemText(x.problem)
		}
	}
	text, err := plain(x.answer)
	if err != nil {
		return err.Error()
	}
	x.answer.Body = bytes.NewBuffer(text)
	if x.problem = x.answerFits(text); x.problem != nil && !x.known(answerMismatches, counts) {
		return "the answer " + strconv.Itoa(status) + ": " + problemText(x.problem)
	}
	counts["exchanges"]++
	return ""
}

func problemText(err error) string {
	if err == nil {
		return "it fits"
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	return text[:min(300, len(text))]
}

func (x *exchange) known(table []mismatch, counts map[string]int) bool {
	for _, m := range table {
		if m.holds(x) {
			counts[m.name]++
			return true
		}
	}
	return false
}

func openDocument(t *testing.T) *openapi3.T {
	document, err := openapi3.NewLoader().LoadFromData(openapiDocument)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// operationOf is what the document says of a request, nil where it says nothing.
func operationOf(document *openapi3.T, method, path string) *openapi3.Operation {
	path, _, _ = strings.Cut(path, "?")
	if item := document.Paths.Value(path); item != nil {
		return item.GetOperation(method)
	}
	return nil
}

// TestConformance holds an example of every route to the document, and what is wrong with it.
func TestConformance(t *testing.T) {
	document, counts := openDocument(t), map[string]int{}
	h := New(readyFake(), Options{Logger: quiet()}).Handler()
	for _, r := range routes {
		body, ok := examples[r.path]
		operation := operationOf(document, r.method, r.path)
		if !ok || operation == nil {
			continue
		}
		bodies := []string{body}
		if r.request != nil {
			bodies = append(bodies, "{}", snakeBody(body), strings.Replace(body, "{", `{"stream":true,`, 1))
		}
		for _, body := range bodies {
			x := exchange{path: r.path, request: []byte(body), mediaType: jsonType, operation: operation, answer: ask(h, r.method, r.path, body)}
			if said := x.check(counts); said != "" {
				t.Errorf("%s %s: %s", r.path, body, said)
			}
		}
	}
	for _, name := range []string{"exchanges", "snake_case", "streams", "similarity_matrix"} {
		if counts[name] == 0 {
			t.Errorf("no example of %s", name)
		}
	}
}

func snakeBody(body string) string {
	var fields map[string]any
	_ = json.Unmarshal([]byte(body), &fields)
	for key, value := range fields {
		if key == "modelId" || key == "sourceId" { // known in this spelling only
			continue
		}
		delete(fields, key)
		fields[schema.SnakeCase(key)] = value
	}
	snake, _ := json.Marshal(fields)
	return string(snake)
}

// TestConformanceFindsFaults makes sure that the tables do not excuse everything.
func TestConformanceFindsFaults(t *testing.T) {
	document := openDocument(t)
	answer := func(code int, contentType, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		w.Body.WriteString(body)
		return w
	}
	const good = `{"tokens":[1],"tokenStrings":["a"],"prependBos":true}`
	for name, x := range map[string]exchange{
		"missing key":     {path: "/v1/tokenize", request: []byte(tokenizeBody), answer: answer(200, jsonType, `{"tokens":[1]}`)},
		"wrong type":      {path: "/v1/tokenize", request: []byte(tokenizeBody), answer: answer(200, jsonType, strings.Replace(good, "1", `"1"`, 1))},
		"no JSON":         {path: "/v1/tokenize", request: []byte(tokenizeBody), answer: answer(200, jsonType, `{"tokens":[NaN]}`)},
		"strange status":  {path: "/v1/tokenize", request: []byte(tokenizeBody), answer: answer(418, jsonType, good)},
		"strange type":    {path: "/v1/tokenize", request: []byte(tokenizeBody), answer: answer(200, "text/plain", good)},
		"answered anyway": {path: "/v1/tokenize", request: []byte(`{"model":"m"}`), answer: answer(200, jsonType, good)},
		"refused anyway":  {path: "/v1/tokenize", request: []byte(tokenizeBody), answer: answer(422, jsonType, `{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}`)},
		"broken event":    {path: "/v1/steer/completion", request: []byte(examples["/v1/steer/completion"]), answer: answer(200, eventsType, "data: {}\n\n")},
	} {
		x.mediaType, x.operation = jsonType, operationOf(document, "POST", x.path)
		if said := x.check(map[string]int{}); said == "" {
			t.Errorf("%s was not found", name)
		}
	}
}

// TestGoldenConformance holds every recorded request, and what npinf answers, to the document.
func TestGoldenConformance(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Dir(t, "server"), "*", "cases-*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	document, counts := openDocument(t), map[string]int{}
	for _, file := range files {
		lines := bufio.NewScanner(bytes.NewReader(golden.ReadFile(t, file)))
		lines.Buffer(nil, 1<<26)
		for lines.Scan() {
			var c goldenCase
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			want, operation := c.expected(), operationOf(document, c.Request.Method, c.Request.Path)
			if operation == nil || want == nil || want.Status == nil {
				counts["of no documented operation"]++
				continue
			}
			if want.Body == nil && want.BodyHas == nil && want.Text == nil && want.ErrorContains == nil {
				counts["without a body to play"]++
				continue
			}
			if said := c.exchange(operation, want).check(counts); said != "" {
				t.Errorf("%s (%s %s): %s", c.ID, c.Request.Method, c.Request.Path, said)
			}
		}
	}
	t.Logf("%v", counts)
}

// exchange sends a case to the handler, with the engine played by the recording.
func (c *goldenCase) exchange(operation *openapi3.Operation, want *goldenAnswer) *exchange {
	s := New(&player{recorded: c, want: want}, Options{Secret: secrets[c.Config], Logger: quiet()})
	x := &exchange{request: c.body(), operation: operation, answer: c.send(s.Handler())}
	x.path, _, _ = strings.Cut(c.Request.Path, "?")
	if c.Request.Body != nil {
		x.mediaType = jsonType
	}
	for name, value := range c.Request.Headers {
		if strings.EqualFold(name, "Content-Type") {
			x.mediaType = ""
			if value != nil {
				x.mediaType = *value
			}
		}
	}
	return x
}
