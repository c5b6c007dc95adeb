package server

import (
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
)

// pieces are what the random bodies are made of: values that a schema may want, and damage.
var pieces = []string{`"prompt"`, `"prompts"`, `"model"`, `"source"`, `"index"`, `"text"`, `"vector"`, `"layers"`, `"messages"`, `"types"`, `"features"`,
	`:`, `:`, `:`, `,`, `,`, `{`, `}`, `[`, `]`, `"a"`, `["a"]`, `[1,2.5]`, `5`, `-0`, `1e999`, `NaN`, `true`, `null`, `"\ud800"`, `"\u00"`, "\xff", "\x00", ` `,
	`{"role":"u"}`, `9999999999999999999999999`, "\xff\xfe", `"`, `\`, "é"}

var headerNames = []string{"Content-Type", "Origin", "Access-Control-Request-Method", "Accept-Encoding", "X-SECRET-KEY", "Content-Encoding", "X-Request-Id", "X-Forwarded-Proto"}
var headerValues = []string{"", "gzip", "application/json", "a/b+json", "application/json; charset=utf-16", "POST", "*", "\x7f", "ü", strings.Repeat("x", 500)}

// TestRandomRequestsAreAnswered sends what nobody would: no answer may be a 500, and nothing
// may panic (a panic is answered with 500).
func TestRandomRequestsAreAnswered(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet()}).Handler()
	random := rand.New(rand.NewPCG(1, 2))
	methods := []string{"GET", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT", "FOO"}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	for range 20000 {
		var body strings.Builder
		for range random.IntN(20) {
			body.WriteString(pick(pieces))
		}
		path := routes[random.IntN(len(routes))].path + pick([]string{"", "", "", "/", "//", "?a=%zz", "/x"})
		request := httptest.NewRequest(pick(methods), path, strings.NewReader(body.String()))
		if random.IntN(4) > 0 {
			request.Header.Set("Content-Type", "application/json")
		}
		for range random.IntN(4) {
			request.Header.Set(pick(headerNames), pick(headerValues))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if w.Code == 500 || w.Code < 200 {
			t.Fatalf("%s %s %q %v: %d %s", request.Method, path, body.String(), request.Header, w.Code, w.Body)
		}
	}
}
