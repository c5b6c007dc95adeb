package server

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
)

// This file sends recorded cases to the handler and compares the answers, by the rules of the
// replay program that lies beside the recordings.

// goldenCase is one recorded case.
type goldenCase struct {
	ID, Group, Form, Config string
	Request                 struct {
		Method, Path string
		Headers      map[string]*string
		Body         json.RawMessage
		Raw          *string
		RawB64       *string `json:"raw_b64"`
		RawRepeat    *struct {
			Prefix, Unit, Suffix string
			Count                int
		} `json:"raw_repeat"`
	}
	Response, Npinf *goldenAnswer
	Ignore          []string
	Shape           bool
	Differs         string
}

// goldenAnswer is what a case asks of the answer. A field that is absent asks nothing.
type goldenAnswer struct {
	Status        any
	Headers       map[string]*string
	Body          json.RawMessage
	BodyHas       json.RawMessage `json:"body_has"`
	Text          *string
	ErrorContains any `json:"error_contains"`
}

// expected is the answer that npinf has to give; nil where the recording leaves it open.
func (c *goldenCase) expected() *goldenAnswer {
	if c.Npinf != nil {
		return c.Npinf
	}
	if c.Differs != "" {
		return nil
	}
	return c.Response
}

func (c *goldenCase) body() []byte {
	r := c.Request
	switch {
	case r.Body != nil:
		return r.Body
	case r.Raw != nil:
		return []byte(*r.Raw)
	case r.RawB64 != nil:
		b, _ := base64.StdEncoding.DecodeString(*r.RawB64)
		return b
	case r.RawRepeat != nil:
		return []byte(r.RawRepeat.Prefix + strings.Repeat(r.RawRepeat.Unit, r.RawRepeat.Count) + r.RawRepeat.Suffix)
	}
	return nil
}

// send returns the answer of a handler to a case.
func (c *goldenCase) send(h http.Handler) *httptest.ResponseRecorder {
	request := httptest.NewRequest(c.Request.Method, "http://server.test"+c.Request.Path, bytes.NewReader(c.body()))
	if c.Request.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.Request.Headers {
		if value == nil {
			request.Header.Del(name)
		} else {
			request.Header.Set(name, *value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request)
	return w
}

// difference says how an answer differs from what is expected, "" where it does not.
func (c *goldenCase) difference(want *goldenAnswer, got *httptest.ResponseRecorder) string {
	if !slices.Contains(numbersOf(want.Status), float64(got.Code)) {
		return fmt.Sprintf("status: want %v, got %d %.300s", want.Status, got.Code, got.Body)
	}
	if d := headerDifference(want.Headers, got.Header()); d != "" {
		return d
	}
	text, err := plain(got)
	if err != nil {
		return err.Error()
	}
	var body any
	isJSON := strings.HasPrefix(got.Header().Get("Content-Type"), "application/json") && json.Unmarshal(text, &body) == nil
	if d := errorDifference(want.ErrorContains, body); d != "" {
		return d
	}
	ignore := ignored(c.Ignore)
	switch {
	case want.Body != nil && !isJSON:
		return fmt.Sprintf("body: want JSON, got %.200q", text)
	case want.Body != nil:
		return jsonDifference(decoded(want.Body), body, "", ignore)
	case want.BodyHas != nil:
		object, _ := body.(map[string]any)
		for key, value := range decoded(want.BodyHas).(map[string]any) {
			if d := jsonDifference(value, object[key], key, ignore); d != "" {
				return d
			}
		}
	case want.Text != nil && c.Request.Method != http.MethodHead && *want.Text != string(text):
		return fmt.Sprintf("text: want %q, got %q", *want.Text, text)
	}
	return ""
}

func numbersOf(status any) []float64 {
	list, ok := status.([]any)
	if !ok {
		list = []any{status}
	}
	out := make([]float64, len(list))
	for i, s := range list {
		out[i], _ = s.(float64)
	}
	return out
}

func decoded(raw json.RawMessage) (v any) {
	json.Unmarshal(raw, &v)
	return v
}

func plain(got *httptest.ResponseRecorder) ([]byte, error) {
	if got.Header().Get("Content-Encoding") != "gzip" {
		return got.Body.Bytes(), nil
	}
	r, err := gzip.NewReader(got.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func headerDifference(want map[string]*string, got http.Header) string {
	for name, value := range want {
		have := strings.ReplaceAll(got.Get(name), "http://server.test", "{base}")
		switch {
		case value == nil && have != "":
			return fmt.Sprintf("header %s: want none, got %q", name, have)
		case value != nil && wordSet(name, *value) != wordSet(name, have):
			return fmt.Sprintf("header %s: want %q, got %q", name, *value, have)
		}
	}
	return ""
}

// wordSet makes the headers that are lists comparable in any order.
func wordSet(name, value string) string {
	if name != "allow" && name != "vary" && name != "access-control-allow-methods" {
		return value
	}
	words := strings.Split(strings.ToLower(strings.ReplaceAll(value, " ", "")), ",")
	sort.Strings(words)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "origin" && name == "vary" }), ",")
}

func errorDifference(contains any, body any) string {
	if contains == nil {
		return ""
	}
	parts, ok := contains.([]any)
	if !ok {
		parts = []any{contains}
	}
	object, _ := body.(map[string]any)
	message, ok := object["error"].(string)
	if !ok {
		return fmt.Sprintf("body: want an error, got %v", body)
	}
	if _, ok := object["traceback"]; ok {
		return "the error carries a traceback"
	}
	for _, part := range parts {
		if !strings.Contains(strings.ToLower(message), strings.ToLower(part.(string))) {
			return fmt.Sprintf("error: want …%v…, got %q", part, message)
		}
	}
	return ""
}

// ignored are the dotted paths of a case that are not compared.
type ignored []string

func (i ignored) has(path string) bool {
	return slices.ContainsFunc(i, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") })
}

// jsonDifference compares values: numbers within tolerance, everything else exactly.
func jsonDifference(want, got any, path string, ignore ignored) string {
	if ignore.has(path) {
		return ""
	}
	at := func(key any) string { return strings.TrimPrefix(fmt.Sprintf("%s.%v", path, key), ".") }
	switch w := want.(type) {
	case float64:
		if g, ok := got.(float64); ok && math.Abs(w-g) <= 1e-5+1e-4*math.Max(math.Abs(w), math.Abs(g)) {
			return ""
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		for key, value := range w {
			if _, has := g[key]; !has && !ignore.has(at(key)) {
				return at(key) + ": absent"
			}
			if d := jsonDifference(value, g[key], at(key), ignore); d != "" {
				return d
			}
		}
		for key := range g {
			if _, has := w[key]; !has && !ignore.has(at(key)) {
				return at(key) + ": not expected"
			}
		}
		if ok {
			return ""
		}
	case []any:
		g, ok := got.([]any)
		if ok && len(w) == len(g) {
			for i := range w {
				if d := jsonDifference(w[i], g[i], at(i), ignore); d != "" {
					return d
				}
			}
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %v, got %v", path, want, got)
}
