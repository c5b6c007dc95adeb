package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"npinf/engine"
)

const lensBody = `{"model":"m","type":["LOGIT_LENS"],"prompt":"p","stream":false}`

// TestLensByteForByte holds the order of keys, and Python's spelling of streamed lines.
func TestLensByteForByte(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet(), Snake: true}).Handler()
	const span = `"is_char_continuation":false,"message_index":0,"role":null,"channel":null,"section":"content"`
	const buffered = `{"meta":{"kind":"meta","model":"m","types":["LOGIT_LENS"],"layers_by_type":{"LOGIT_LENS":[3]},"top_n":10,"prompt_len":1,` +
		`"num_completion_tokens":0,"temperature":1.0,"prepend_bos":true,"reuse_len":0},"tokens":[{"kind":"token","position":0,"token":"é","id":7,` +
		`"is_generated":false,"results":[{"type":"LOGIT_LENS","top_tokens":[["a","😀"]],"top_probs":[[0.5,0.25]]}],` + span + `}],` +
		`"done":{"kind":"done","seq_len":1,"prompt_len":1,"vocab_size":9,"completion":""}}`
	if w := ask(h, "POST", "/v1/lens/prompt", lensBody); w.Code != 200 || w.Body.String() != buffered {
		t.Errorf("%d\n got %s\nwant %s", w.Code, w.Body, buffered)
	}
	w := ask(h, "POST", "/v1/lens/prompt", strings.Replace(lensBody, "false", "true", 1))
	lines := strings.Split(w.Body.String(), "\n")
	if w.Code != 200 || w.Header().Get("Content-Type") != linesType || len(lines) != 5 || lines[4] != "" {
		t.Fatalf("%d %v %q", w.Code, w.Header(), lines)
	}
	const prompt = `{"kind": "prompt", "tokens": [{"position": 0, "token": "\u00e9", "id": 7, "is_generated": false, ` +
		`"is_char_continuation": false, "message_index": 0, "role": null, "channel": null, "section": "content"}]}`
	if lines[1] != prompt {
		t.Errorf("got %s, want %s", lines[1], prompt)
	}
	if !strings.Contains(lines[2], `"top_tokens": [["a", "\ud83d\ude00"]], "top_probs": [[0.5, 0.25]]`) {
		t.Errorf("%s", lines[2])
	}
	for _, line := range lines[:4] {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// TestLensFailures tells of an error before the first piece as of any other, and later in a
// piece of its own.
func TestLensFailures(t *testing.T) {
	service := readyFake()
	h := New(service, Options{Logger: quiet()}).Handler()
	streamed := strings.Replace(lensBody, "false", "true", 1)
	service.lensErr = &engine.Error{Code: engine.NonFinite, Message: "too strong"}
	if w := ask(h, "POST", "/v1/lens/prompt", lensBody); w.Code != 500 || w.Body.String() != `{"kind":"error","error":"too strong"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(h, "POST", "/v1/lens/prompt", streamed); w.Code != 200 || !strings.HasSuffix(w.Body.String(), "}\n"+`{"kind":"error","error":"too strong"}`+"\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for want, err := range map[string]*engine.Error{
		`400 {"error":"no"}`:                                    {Code: engine.Invalid, Message: "no"},
		`429 {"error":"busy","busy":true}`:                      {Code: engine.Busy, Message: "busy"},
		`400 {"error":"none","status":"error","detail":"gone"}`: {Code: engine.Invalid, Message: "none", Cause: &engine.LensUnavailable{Status: "error", Detail: "gone"}},
		`400 {"error":"none","status":"skipped","detail":null}`: {Code: engine.Invalid, Message: "none", Cause: &engine.LensUnavailable{Status: "skipped"}},
	} {
		service.err = err
		for _, body := range []string{lensBody, streamed} {
			w := ask(h, "POST", "/v1/lens/prompt", body)
			if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

// TestLensFields come from the request in either spelling.
func TestLensFields(t *testing.T) {
	service := readyFake()
	h := New(service, Options{Logger: quiet()}).Handler()
	body := `{"model":"m","type":["JACOBIAN_LENS"],"chat":[{"role":"user","content":"x"}],"top_n":"4","layers":[1],"max_seq_len":9,"prependBos":false,` +
		`"enable_thinking":true,"preserveThinking":false,"stream":false,"temperature":0,"numCompletionTokens":3,"cached_token_ids":[5],"inputTokenIds":[6],` +
		`"steerTokens":[{"token":"a","type":"LOGIT_LENS"}],"steer_layers":[2],"steerStrength":0.5,"steer_ablate":true,` +
		`"swapToken":{"token":"b","type":"JACOBIAN_LENS"},"steerGeneratedTokens":true,"filterNonWordTokens":false,"fail_if_busy":true,"seed":8}`
	if w := ask(h, "POST", "/v1/lens/prompt", body); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	seed := 8
	want := engine.LensRequest{Types: []engine.LensType{engine.JacobianLens}, Chat: []engine.Message{{Role: "user", Content: "x"}}, InputIDs: []int{6}, CachedIDs: []int{5},
		Top: 4, Layers: []int{1}, MaxLength: 9, Thinking: true, Completion: 3, Seed: &seed,
		SteerTokens: []engine.LensToken{{Text: "a", Type: engine.LogitLens}}, SteerLayers: []int{2}, SteerStrength: 0.5, SteerAblate: true,
		SwapToken: &engine.LensToken{Text: "b", Type: engine.JacobianLens}, SteerGenerated: true, FailIfBusy: true}
	if !reflect.DeepEqual(service.lens, want) {
		t.Errorf("got %+v, want %+v", service.lens, want)
	}
}
