package server

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"npinf/engine"
)

const steerBody = `{"prompt":"one two","model":"m","steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false,"types":["STEERED"],
	"features":[],"nCompletionTokens":2,"temperature":0,"strengthMultiplier":1,"freqPenalty":0,"seed":1,"stream":true}`

// TestEventsLeaveAtOnce reads frames while the generation still runs, compressed or not.
func TestEventsLeaveAtOnce(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		service, proceed := readyFake(), make(chan bool)
		service.during = func(context.Context) { <-proceed }
		web := httptest.NewServer(New(service, Options{Logger: quiet()}).Handler())
		request, _ := http.NewRequestWithContext(t.Context(), "POST", web.URL+"/v1/steer/completion", strings.NewReader(steerBody))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept-Encoding", encoding)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(response.Body)
		for _, want := range []string{`data: {"outputs":[{"type":"STEERED","output":"one"}]}`, "", `data: {"outputs":[{"type":"STEERED","output":"onetwo"}]}`, ""} {
			if !lines.Scan() || lines.Text() != want {
				t.Errorf("got %q, want %q", lines.Text(), want)
			}
		}
		close(proceed)
		if lines.Scan() {
			t.Errorf("the stream goes on with %q", lines.Text())
		}
		if response.Header.Get("Content-Type") != eventsType || response.Header.Get("Content-Encoding") != "" {
			t.Errorf("headers %v", response.Header)
		}
		response.Body.Close()
		web.Close()
	}
}

// TestStreamErrors: an error before the first frame is an ordinary answer, afterwards it is
// the last event.
func TestStreamErrors(t *testing.T) {
	service := readyFake()
	h := New(service, Options{Logger: quiet()}).Handler()
	service.err = &engine.Error{Code: engine.NonFinite, Message: "not finite"}
	late := ask(h, "POST", "/v1/steer/completion", steerBody)
	if late.Code != 200 || !strings.HasPrefix(late.Body.String(), "data: ") || !strings.HasSuffix(late.Body.String(), "\n\nevent: error\ndata: {\"error\":\"not finite\"}\n\n") {
		t.Errorf("late: %d %s", late.Code, late.Body)
	}
	silent := strings.Replace(steerBody, "one two", "", 1)
	early := ask(h, "POST", "/v1/steer/completion", silent)
	if early.Code != 500 || early.Body.String() != `{"error":"not finite"}` {
		t.Errorf("early: %d %s", early.Code, early.Body)
	}
	service.err = context.DeadlineExceeded // a defect shows no insides
	if w := ask(h, "POST", "/v1/steer/completion", steerBody); strings.Contains(w.Body.String(), "deadline") {
		t.Errorf("shows %s", w.Body)
	}
	service.err = nil
	if w := ask(h, "POST", "/v1/steer/completion", silent); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != eventsType {
		t.Errorf("without a frame: %d %v %s", w.Code, w.Header(), w.Body)
	}
}

// brokenWriter is a client that reads no more.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, http.ErrHandlerTimeout }

func TestClientReadsNoMore(t *testing.T) {
	service := readyFake()
	asked := false
	service.during = func(context.Context) { asked = true }
	request := httptest.NewRequest("POST", "/v1/steer/completion", strings.NewReader(steerBody))
	request.Header.Set("Content-Type", "application/json")
	New(service, Options{Logger: quiet()}).Handler().ServeHTTP(brokenWriter{httptest.NewRecorder()}, request)
	if asked {
		t.Error("the generation went on")
	}
}

// TestChatEvents streams a conversation in snake_case.
func TestChatEvents(t *testing.T) {
	body := strings.Replace(steerBody, `"one two"`, `[{"role":"user","content":"é"}]`, 1)
	body = strings.Replace(body, `"seed":1`, `"seed":1,"steerSpecialTokens":false`, 1)
	w := ask(New(readyFake(), Options{Logger: quiet(), Snake: true}).Handler(), "POST", "/v1/steer/completion-chat", body)
	want := `data: {"outputs":[{"chat_template":[{"content":"é","role":"user"}],"raw":"p","type":"STEERED"}],"input":{"chat_template":[{"content":"é","role":"user"}],"raw":"p"}}` + "\n\n"
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAxisTitlesAreKeys(t *testing.T) {
	e := encoder{snake: true}
	e.chatFrame(engine.ChatFrame{Axis: []engine.AxisResult{{Type: engine.Steered, Titles: []string{"a \"b\"", "cD"},
		Turns: []engine.AxisTurn{{Values: []float32{1, 2}, Steered: []float32{3, 4}, Snippet: "s"}}}}})
	want := `{"assistant_axis":[{"type":"STEERED","pc_titles":["a \"b\"","cD"],"turns":[{"pc_values":{"a \"b\"":1.0,"cD":2.0},` +
		`"pc_values_post_cap":{"a \"b\"":3.0,"cD":4.0},"snippet":"s"}]}],"outputs":[],"input":{"chat_template":[],"raw":""}}`
	if string(e.json) != want {
		t.Errorf("got  %s\nwant %s", e.json, want)
	}
}
