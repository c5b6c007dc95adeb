package server

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestDocumentIsValid(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(openapiDocument)
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	for _, r := range routes {
		item := document.Paths.Value(r.path)
		if described := item != nil && item.GetOperation(r.method) != nil; !described && !slices.Contains([]string{"/openapi.json", "/docs", "/redoc"}, r.path) {
			t.Errorf("%s %s is not in the document", r.method, r.path)
		}
	}
}

// TestRequestsAreAsDocumented compares the tables that check requests with the document.
func TestRequestsAreAsDocumented(t *testing.T) {
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Schema map[string]string }
			}
		}
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
				Required   []string
			}
		}
	}
	if err := json.Unmarshal(openapiDocument, &document); err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if r.request == nil {
			continue
		}
		reference := document.Paths[r.path][strings.ToLower(r.method)].RequestBody.Content["application/json"].Schema["$ref"]
		described := document.Components.Schemas[filepath.Base(reference)]
		var names, required []string
		for _, f := range r.request.Fields {
			if f.Extra {
				continue
			}
			names = append(names, f.Name)
			if f.Required {
				required = append(required, f.Name)
			}
		}
		if len(names) != len(described.Properties) {
			t.Errorf("%s: fields %v, documented %v", r.path, names, described.Properties)
		}
		for _, name := range names {
			if _, ok := described.Properties[name]; !ok {
				t.Errorf("%s: field %s is not documented", r.path, name)
			}
		}
		if !reflect.DeepEqual(required, described.Required) {
			t.Errorf("%s: required %v, documented %v", r.path, required, described.Required)
		}
	}
}

// TestGoldenDocument holds the document to the reference's: the same paths, operations and
// schemas, but not a text of it.
func TestGoldenDocument(t *testing.T) {
	path := filepath.Join(golden.Dir(t, ""), "..", "contract", "openapi.json")
	if !golden.Exists(path) {
		golden.Missing(t, "no contract/openapi.json beside the golden folder")
	}
	var want, got map[string]any
	golden.ReadJSON(t, path, &want)
	if err := json.Unmarshal(openapiDocument, &got); err != nil {
		t.Fatal(err)
	}
	for address, methods := range want["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			ours := dig(got, "paths", address, method)
			for _, keys := range [][]string{{"operationId"}, {"requestBody", "content", "application/json", "schema"}, {"responses", "200", "content"}, {"security"}} {
				if a, b := bare(dig(operation, keys...)), bare(dig(ours, keys...)); !reflect.DeepEqual(a, b) {
					t.Errorf("%s %s %v: %v, want %v", method, address, keys, b, a)
				}
			}
		}
	}
	for name, model := range dig(want, "components", "schemas").(map[string]any) {
		if a, b := bare(model), bare(dig(got, "components", "schemas", name)); !reflect.DeepEqual(a, b) {
			t.Errorf("schema %s: %v, want %v", name, b, a)
		}
	}
	texts := map[string]bool{}
	collect(want, texts)
	ours := map[string]bool{}
	collect(got, ours)
	for text := range ours {
		if texts[text] {
			t.Errorf("a text of the reference: %q", text)
		}
	}
}

// dig follows keys into nested objects; nil where one is absent.
func dig(v any, keys ...string) any {
	for _, key := range keys {
		object, _ := v.(map[string]any)
		v = object[key]
	}
	return v
}

// isText tells whether a key of a schema holds prose.
func isText(key string, value any) bool {
	_, ok := value.(string)
	return ok && (key == "description" || key == "summary" || key == "title")
}

// bare is a schema without its prose and examples.
func bare(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if !isText(key, value) && key != "examples" {
				out[key] = bare(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = bare(item)
		}
		return out
	}
	return v
}

// collect gathers all prose.
func collect(v any, texts map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if isText(key, value) {
				texts[value.(string)] = true
			}
			collect(value, texts)
		}
	case []any:
		for _, item := range v {
			collect(item, texts)
		}
	}
}
