package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"npinf/engine"

	"github.com/getsentry/sentry-go"
)

// reported serves one request that carries a prompt and the secret wherever a client can put
// them, and returns what Sentry was told.
func reported(t *testing.T, f *fake) []*sentry.Event {
	t.Helper()
	transport := &sentry.MockTransport{}
	s := New(f, Options{Logger: quiet(), Secret: "hush", Sentry: Sentry{
		DSN: "http://key@sentry.test/1", Environment: "test", Release: "r1", TracesSampleRate: 1, Transport: transport,
		Tags:           map[string]string{"model_id": "gpt2", "sae_sets": "res-jb", "model_dtype": "auto"},
		StartArguments: map[string]any{"token_limit": 200, "list": []any{"hush"}},
	}})
	ask(s.Handler(), "POST", "/v1/tokenize?q=QUERY", `{"model":"m","text":"PROMPT"}`, "X-SECRET-KEY", "hush",
		"Cookie", "a=COOKIE", "Authorization", "Bearer TOKEN", "User-Agent", "agent hush")
	s.hub.Flush(0)
	events := transport.Events()
	for _, event := range events {
		text, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		for _, confidential := range []string{"hush", "PROMPT", "QUERY", "COOKIE", "TOKEN"} {
			if strings.Contains(string(text), confidential) {
				t.Errorf("%s was reported: %s", confidential, text)
			}
		}
		if event.Tags["model_id"] != "gpt2" || event.Environment != "test" || event.Release != "r1" || event.Contexts["start_args"]["token_limit"] != 200 {
			t.Errorf("tags %v, context %v", event.Tags, event.Contexts)
		}
	}
	return events
}

// kinds counts errors and transactions.
func kinds(events []*sentry.Event) (failures, transactions int) {
	for _, event := range events {
		if event.Type == "transaction" {
			transactions++
		} else {
			failures++
		}
	}
	return failures, transactions
}

func TestSentryIsToldOfDefectsOnly(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		panics   bool
		failures int
	}{
		"success":  {},
		"mistake":  {err: &engine.Error{Code: engine.Invalid, Message: "PROMPT too long"}},
		"busy":     {err: &engine.Error{Code: engine.Unavailable, Message: "busy"}},
		"internal": {err: &engine.Error{Code: engine.Internal, Message: "it failed", Cause: errors.New("cause with hush")}, failures: 1},
		"unknown":  {err: errors.New("anything"), failures: 1},
		"panic":    {panics: true, failures: 1},
	} {
		f := readyFake()
		f.err = c.err
		if c.panics {
			f.during = func(context.Context) { panic("hush") }
		}
		failures, transactions := kinds(reported(t, f))
		if failures != c.failures || transactions != 1 {
			t.Errorf("%s: %d errors and %d transactions reported, want %d and 1", name, failures, transactions, c.failures)
		}
	}
}

func TestScrubReachesSpansAndBreadcrumbs(t *testing.T) {
	s := New(readyFake(), Options{Logger: quiet(), Secret: "hush"})
	event := &sentry.Event{
		Message:     "hush!",
		Contexts:    map[string]sentry.Context{"trace": {"data": map[string]any{"http.request.header.x-secret-key": 7, "deep": []string{"a hush"}}}},
		Breadcrumbs: []*sentry.Breadcrumb{{Message: "hush", Data: map[string]any{"X-Secret-Key": "other"}}},
		Spans:       []*sentry.Span{{Description: "hush", Data: map[string]any{"x-secret-key": []int{1}, "more": map[string]string{"k": "hush"}}}},
	}
	s.scrub(event, nil)
	data := event.Contexts["trace"]["data"].(map[string]any)
	if event.Message != filtered+"!" || data["http.request.header.x-secret-key"] != filtered || data["deep"].([]string)[0] != "a "+filtered ||
		event.Breadcrumbs[0].Data["X-Secret-Key"] != filtered || event.Spans[0].Data["x-secret-key"] != filtered ||
		event.Spans[0].Data["more"].(map[string]string)["k"] != filtered || event.Spans[0].Description != filtered {
		t.Errorf("%+v %+v %+v", event, data, event.Spans[0])
	}
}

func TestWithoutDSNNobodyIsTold(t *testing.T) {
	if s := New(readyFake(), Options{Logger: quiet()}); s.hub != nil {
		t.Error("a hub without a DSN")
	}
	if s := New(readyFake(), Options{Logger: quiet(), Sentry: Sentry{DSN: "no address"}}); s.hub != nil {
		t.Error("a hub with a DSN that is none")
	}
}
