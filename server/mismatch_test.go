package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// mismatch is one way in which the document and the wire differ on purpose. The document stays
// as the reference publishes it, because clients are generated from it; the wire stays as the
// reference's because clients rely on it.
type mismatch struct {
	name, why string
	holds     func(x *exchange) bool
}

// requestMismatches are requests that are answered although they do not fit the document, or
// refused although they do.
var requestMismatches = []mismatch{
	{"no JSON", "the document describes JSON bodies; others are refused with a reason", func(x *exchange) bool {
		var v any
		return !isJSON(x.mediaType) || json.Unmarshal(x.request, &v) != nil
	}},
	{"snake_case", "fields may be spelled in snake_case, and the document names them in camelCase only", func(x *exchange) bool {
		return x.answer.Code != http.StatusUnprocessableEntity && x.fits(respelledRequest(x.request))
	}},
	{"lax scalars", "these routes read \"5\", 5.0 and true where the document says integer, number or boolean", func(x *exchange) bool {
		lax := []string{"/v1/activation/raw", "/v1/activation/attention", "/v1/apply-chat-template", "/v1/util/similarity-matrix-pred", "/v1/lens/prompt"}
		return x.answer.Code != http.StatusUnprocessableEntity && slices.Contains(lax, x.path)
	}},
	{"whole floats", "JSON Schema counts 10.0 and 1e20 as integers, the strict fields do not", func(x *exchange) bool {
		kinds := x.problemKinds()
		return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind string) bool { return kind != "int_type" && kind != "int_parsing_size" })
	}},
}

// answerMismatches are answers that the document does not describe.
var answerMismatches = []mismatch{
	{"streams", "events and lines are not described; each event is the object that is described", func(x *exchange) bool {
		kind, _, _ := strings.Cut(x.answer.Header().Get("Content-Type"), ";")
		return kind == linesType && x.path == "/v1/lens/prompt" || kind == "text/event-stream" && x.eventsFit()
	}},
	{"null input", "a problem's input may be null; the validator reads a schema of anything as anything but null", func(x *exchange) bool {
		var detail struct{ Detail []map[string]any }
		if x.answer.Code != http.StatusUnprocessableEntity || json.Unmarshal(x.answer.Body.Bytes(), &detail) != nil {
			return false
		}
		for _, problem := range detail.Detail {
			delete(problem, "input")
		}
		bare, _ := json.Marshal(map[string]any{"detail": detail.Detail})
		return x.answerFits(bare) == nil
	}},
	{"similarity_matrix", "the key is snake_case on the wire and camelCase in the document (W-7)", func(x *exchange) bool {
		camel := bytes.Replace(x.answer.Body.Bytes(), []byte(`"similarity_matrix"`), []byte(`"similarityMatrix"`), 1)
		return x.path == "/v1/util/similarity-matrix-pred" && x.answerFits(camel) == nil
	}},
}

// eventsFit holds every event to the object that is described for the whole answer.
func (x *exchange) eventsFit() bool {
	model := x.operation.Responses.Value("200").Value.Content[jsonType].Schema.Value
	for event := range strings.SplitSeq(strings.TrimSuffix(x.answer.Body.String(), "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(event, "data: ")
		if !ok || name == "" && visit(model, []byte(data)) != nil {
			return false
		}
	}
	return true
}

// problemKinds are the types of the problems of a 422.
func (x *exchange) problemKinds() (kinds []string) {
	var detail struct{ Detail []struct{ Type string } }
	_ = json.Unmarshal(x.answer.Body.Bytes(), &detail)
	for _, problem := range detail.Detail {
		kinds = append(kinds, problem.Type)
	}
	return kinds
}

// respelledRequest spells the keys of a body in camelCase, nested ones too.
func respelledRequest(body []byte) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return body
	}
	camel, _ := json.Marshal(camelKeys(v))
	return camel
}

func camelKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			words := strings.Split(key, "_")
			for i := range words[1:] {
				words[i+1] = strings.ToUpper(words[i+1][:min(1, len(words[i+1]))]) + words[i+1][min(1, len(words[i+1])):]
			}
			out[strings.Join(words, "")] = camelKeys(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = camelKeys(item)
		}
		return out
	}
	return v
}
