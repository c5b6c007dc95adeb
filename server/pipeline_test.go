package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"npinf/engine"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// ask sends one request, with headers given as pairs.
func ask(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request)
	return w
}

const tokenizeBody = `{"model":"m","text":"a b"}`

func TestNotReady(t *testing.T) {
	f := readyFake()
	f.status = engine.Status{}
	h := New(f, Options{Logger: quiet(), Secret: "s"}).Handler()
	const loading = `{"error":"Server not initialized."}`
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/livez", 200, `{"status":"alive"}`},
		{"GET", "/readyz", 503, loading},
		{"GET", "/health", 500, loading},
		{"POST", "/v1/tokenize", 500, loading}, // before the secret is asked for
		{"GET", "/nope", 500, loading},
	} {
		if w := ask(h, c.method, c.path, ""); w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
	f.status.Failed = "no such model"
	if w := ask(h, "GET", "/health", ""); w.Body.String() != `{"error":"Server not initialized. Initialization error: no such model"}` {
		t.Errorf("failed load: %s", w.Body)
	}
	f.status = engine.Status{Ready: true}
	if w := ask(h, "GET", "/readyz", ""); w.Code != 200 || w.Body.String() != `{"status":"ready"}` {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
}

// unread is a body that must not be touched.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read before the secret was checked")
	return 0, io.EOF
}

func TestSecretIsCheckedBeforeTheBody(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet(), Secret: "right"}).Handler()
	for _, key := range []string{"", "wrong", "righ", "right "} {
		request := httptest.NewRequest("POST", "/v1/tokenize", unread{t})
		request.Header.Set("X-SECRET-KEY", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request)
		if w.Code != 401 || w.Body.String() != `{"error":"Invalid or missing X-SECRET-KEY header"}` {
			t.Errorf("key %q: %d %s", key, w.Code, w.Body)
		}
	}
	if w := ask(h, "POST", "/v1/tokenize", tokenizeBody, "x-secret-key", "right"); w.Code != 200 {
		t.Errorf("right key: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"/livez", "/readyz", "/health"} {
		if w := ask(h, "GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet(), MaxBody: 100}).Handler()
	long := `{"model":"m","text":"` + strings.Repeat("a", 100) + `"}`
	if w := ask(h, "POST", "/v1/tokenize", long); w.Code != 413 || !strings.Contains(w.Body.String(), `{"error":"`) {
		t.Errorf("announced: %d %s", w.Code, w.Body)
	}
	request := httptest.NewRequest("POST", "/v1/tokenize", io.MultiReader(strings.NewReader(long))) // of unknown length
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request)
	if w.Code != 413 {
		t.Errorf("unannounced: %d %s", w.Code, w.Body)
	}
}

func TestEngineErrors(t *testing.T) {
	for _, c := range []struct {
		err          error
		status       int
		body, header string
	}{
		{&engine.Error{Code: engine.Invalid, Message: "Text too long"}, 400, `{"error":"Text too long"}`, ""},
		{&engine.Error{Code: engine.Unavailable, Message: "busy", RetryAfter: 1500 * time.Millisecond}, 503, `{"error":"busy"}`, "2"},
		{&engine.Error{Code: engine.NotReady, Message: "reloading"}, 503, `{"error":"reloading"}`, "1"},
		{&engine.Error{Code: engine.NonFinite, Message: "NaN"}, 500, `{"error":"NaN"}`, ""},
		{&engine.Error{Code: engine.Internal, Cause: errors.New("index 7 of 3")}, 500, `{"error":"` + unexpected + `"}`, ""},
		{errors.New("index 7 of 3"), 500, `{"error":"` + unexpected + `"}`, ""},
		{&engine.Error{Code: 99}, 500, `{"error":"` + unexpected + `"}`, ""},
	} {
		f := readyFake()
		f.err = c.err
		w := ask(New(f, Options{Logger: quiet()}).Handler(), "POST", "/v1/tokenize", tokenizeBody, "Origin", "o")
		if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Retry-After") != c.header {
			t.Errorf("%v: %d %s %v", c.err, w.Code, w.Body, w.Header())
		}
		if w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v: no CORS header", c.err)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	f := readyFake()
	f.during = func(context.Context) { panic("index 7 of 3") }
	var log bytes.Buffer
	h := New(f, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}).Handler()
	w := ask(h, "POST", "/v1/tokenize", tokenizeBody)
	if w.Code != 500 || w.Body.String() != `{"error":"`+unexpected+`"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "index 7 of 3") {
		t.Errorf("the log lacks the cause: %s", &log)
	}
}

func TestNaNIsNoJSON(t *testing.T) {
	f := readyFake()
	f.values = []float32{float32(math.NaN())}
	h := New(f, Options{Logger: quiet()}).Handler()
	w := ask(h, "POST", "/v1/activation/single", `{"model":"m","prompt":"p","source":"s","index":"1"}`)
	if w.Code != 500 || !strings.Contains(w.Body.String(), "NaN") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLogHoldsNeitherPromptNorSecret(t *testing.T) {
	var log bytes.Buffer
	o := Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Secret: "hush"}
	w := ask(New(readyFake(), o).Handler(), "POST", "/v1/tokenize?token=hush", `{"model":"m","text":"PROMPT"}`, "X-SECRET-KEY", "hush", "X-Request-Id", "id-7")
	if w.Header().Get("X-Request-Id") != "id-7" {
		t.Errorf("request id %q", w.Header().Get("X-Request-Id"))
	}
	for _, want := range []string{"request=id-7", "path=/v1/tokenize", "status=200"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, &log)
		}
	}
	if strings.Contains(log.String(), "PROMPT") || strings.Contains(log.String(), "hush") {
		t.Errorf("the log gives away: %s", &log)
	}
	if w := ask(New(readyFake(), Options{Logger: quiet()}).Handler(), "GET", "/livez", "", "X-Request-Id", "a\"b c"); w.Header().Get("X-Request-Id") == `a"b c` {
		t.Error("a strange request id was repeated")
	}
}

func TestBothEndingsOfRun(t *testing.T) {
	started, gone := make(chan struct{}), make(chan error, 1)
	f := readyFake()
	f.during = func(ctx context.Context) {
		close(started)
		<-ctx.Done() // a forward pass that only ends when its caller leaves
		gone <- ctx.Err()
	}
	var log bytes.Buffer
	s := New(f, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener) }()

	leaving, leave := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(leaving, "POST", "http://"+listener.Addr().String()+"/v1/tokenize", strings.NewReader(tokenizeBody))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	go func() {
		<-started
		leave()
	}()
	if _, err := http.DefaultClient.Do(request); !errors.Is(err, context.Canceled) {
		t.Errorf("the request ended with %v", err)
	}
	select {
	case err := <-gone:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the engine saw %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the engine was not told that the client left")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if !strings.Contains(log.String(), "status=499") {
		t.Errorf("no status 499 in the log: %s", &log)
	}
	if err := s.Run(context.Background(), listener); err == nil {
		t.Error("Run on a closed listener gave no error")
	}
}

func TestViewerIsServed(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet()}).Handler()
	for _, path := range []string{"/docs", "/redoc"} {
		w := ask(h, "GET", path, "")
		if w.Code != 200 || w.Header().Get("Content-Type") != htmlType || !strings.Contains(w.Body.String(), "openapi.json") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "://") {
			t.Errorf("%s reaches for the network", path)
		}
	}
}

// TestInitialize answers after a failed load as well, and never without the secret.
func TestInitialize(t *testing.T) {
	service := readyFake()
	h := New(service, Options{Logger: quiet(), Secret: "x"}).Handler()
	if w := ask(h, "POST", "/initialize", ""); w.Code != 401 {
		t.Errorf("without a secret: %d %s", w.Code, w.Body)
	}
	if w := ask(h, "POST", "/initialize", "", "X-SECRET-KEY", "x"); w.Code != 200 || w.Body.String() != "null" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	service.status = engine.Status{Failed: "no model"}
	if w := ask(h, "POST", "/initialize?custom_hf_model_id=a/b", "", "X-SECRET-KEY", "x"); w.Code != 200 || service.reloaded != "a/b" {
		t.Errorf("after a failed load: %d %s, model %q", w.Code, w.Body, service.reloaded)
	}
	service.err = &engine.Error{Code: engine.NotReady, Message: "Server not initialized. Initialization error: still none"}
	if w := ask(h, "POST", "/initialize", "", "X-SECRET-KEY", "x"); w.Code != 500 || !strings.Contains(w.Body.String(), "still none") {
		t.Errorf("a load that fails again: %d %s", w.Code, w.Body)
	}
	service.status = engine.Status{}
	if w := ask(h, "POST", "/initialize", "", "X-SECRET-KEY", "x"); w.Code != 500 || w.Body.String() != `{"error":"Server not initialized."}` {
		t.Errorf("during the first load: %d %s", w.Code, w.Body)
	}
}
