package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// syncBuffer collects output that is written and read at the same time.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends.
func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns what was written so far.
func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// serve runs the server with arguments and returns its address once the banner shows it.
func serve(t *testing.T, environment []string, args ...string) (url string, out *syncBuffer, stop func() int) {
	t.Helper()
	out = &syncBuffer{}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	world := &World{Environment: append(environment, "HF_HOME="+t.TempDir(), "HF_HUB_OFFLINE=1"), Stdout: out, Stderr: out}
	go func() {
		code <- Run(ctx, world, append([]string{"run", "--host", "127.0.0.1", "--port", "0"}, args...))
	}()
	stop = func() int { cancel(); return <-code }
	for range 1000 {
		if m := regexp.MustCompile(`serving +(http://\S+)`).FindStringSubmatch(out.String()); m != nil {
			return m[1], out, stop
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	t.Fatalf("no banner:\n%s", out.String())
	return "", nil, nil
}

func TestRunServesTheBuiltInModel(t *testing.T) {
	url, out, stop := serve(t, nil)
	response, err := http.Post(url+"/v1/activation/topk-by-token", "application/json",
		strings.NewReader(`{"model":"npinf-demo","source":"2-res-demo","prompt":"Once upon a time","topK":3,"ignoreBos":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Results []struct{ Token string }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || len(answer.Results) == 0 || answer.Results[0].Token != "Once" {
		t.Errorf("answer %+v, %v", answer, err)
	}
	if text := out.String(); !strings.Contains(text, "curl -s "+url) || !strings.Contains(text, "secret   none") {
		t.Errorf("banner:\n%s", text)
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit code %d after an interrupt", code)
	}
}

func TestRunWithASecret(t *testing.T) {
	url, out, stop := serve(t, []string{"SECRET=hunter2"}, "--listen", "ready", "--no-saes")
	defer stop()
	get := func(key string) int {
		request, err := http.NewRequest(http.MethodGet, url+"/v1/capabilities", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-SECRET-KEY", key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		return response.StatusCode
	}
	if wrong, right := get("hunter3"), get("hunter2"); wrong != 401 || right != 200 {
		t.Errorf("wrong secret %d, right secret %d", wrong, right)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("the secret is in the output:\n%s", out.String())
	}
}

func TestRunEndsWhenTheNamedModelCannotBeLoaded(t *testing.T) {
	var out syncBuffer
	world := &World{Environment: []string{"HF_HOME=" + t.TempDir(), "HF_HUB_OFFLINE=1"}, Stdout: &out, Stderr: &out}
	if code := Run(context.Background(), world, []string{"run", "owner/name", "--host", "127.0.0.1", "--port", "0"}); code != exitFailed {
		t.Errorf("exit code %d, output:\n%s", code, out.String())
	}
	if !strings.Contains(out.String(), "owner/name") {
		t.Errorf("output:\n%s", out.String())
	}
}

func TestRunStaysUpWhenTheConfiguredModelCannotBeLoaded(t *testing.T) {
	var out syncBuffer
	ctx, cancel := context.WithCancel(context.Background())
	world := &World{Environment: []string{"HF_HOME=" + t.TempDir(), "HF_HUB_OFFLINE=1", "MODEL_ID=owner/name"}, Stdout: &out, Stderr: &out}
	code := make(chan int, 1)
	go func() { code <- Run(ctx, world, []string{"run", "--host", "127.0.0.1", "--port", "0"}) }()
	for !strings.Contains(out.String(), "could not be loaded") {
		select {
		case c := <-code:
			t.Fatalf("ended with %d:\n%s", c, out.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d after an interrupt", c)
	}
}
