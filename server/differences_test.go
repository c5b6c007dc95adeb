package server

import (
	"bufio"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"npinf/engine"
)

// This file holds what docs/differences.md says and no other test shows.

// slowLens stops behind its first reading until it may proceed.
type slowLens struct {
	*fake
	proceed chan bool
}

func (s slowLens) Lens(ctx context.Context, r engine.LensRequest, emit func(engine.LensFrame) error) error {
	return s.fake.Lens(ctx, r, func(f engine.LensFrame) error {
		err := emit(f)
		if f.Reading != nil {
			<-s.proceed
		}
		return err
	})
}

// TestLinesLeaveAtOnce reads the lines of a lens while it still works, compressed as well.
func TestLinesLeaveAtOnce(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		service := slowLens{readyFake(), make(chan bool)}
		web := httptest.NewServer(New(service, Options{Logger: quiet()}).Handler())
		request, _ := http.NewRequestWithContext(t.Context(), "POST", web.URL+"/v1/lens/prompt", strings.NewReader(strings.Replace(lensBody, "false", "true", 1)))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept-Encoding", encoding)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(10*time.Second, func() { t.Error(encoding + ": the lines are held back"); close(service.proceed) })
		body := bufio.NewScanner(response.Body)
		if encoding == "gzip" {
			packed, err := gzip.NewReader(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = bufio.NewScanner(packed)
		}
		for _, kind := range []string{"meta", "prompt", "token"} {
			if !body.Scan() || !strings.HasPrefix(body.Text(), `{"kind": "`+kind+`"`) {
				t.Errorf("%s: want a %s, got %q", encoding, kind, body.Text())
			}
		}
		if late.Stop() {
			close(service.proceed)
		}
		if !body.Scan() || !strings.HasPrefix(body.Text(), `{"kind": "done"`) {
			t.Errorf("%s: the end is %q", encoding, body.Text())
		}
		response.Body.Close()
		web.Close()
	}
}

// TestProbesDoNotWait: probes answer while every request computes.
func TestProbesDoNotWait(t *testing.T) {
	service, entered, proceed := readyFake(), make(chan bool), make(chan bool)
	service.during = func(context.Context) { entered <- true; <-proceed }
	h := New(service, Options{Logger: quiet()}).Handler()
	ended := make(chan int)
	go func() { ended <- ask(h, "POST", "/v1/tokenize", tokenizeBody).Code }()
	<-entered
	for _, path := range []string{"/livez", "/readyz", "/health", "/v1/capabilities", "/v1/steer/health"} {
		if w := ask(h, "GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	close(proceed)
	if code := <-ended; code != 200 {
		t.Errorf("the request got %d", code)
	}
}
