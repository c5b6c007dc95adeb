package server

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"npinf/internal/schema"
)

// examples has a request for every route that answers with an object of its own.
var examples = map[string]string{
	"/v1/capabilities":                    "",
	"/v1/provenance":                      "",
	"/v1/tokenize":                        `{"model":"m","text":"a"}`,
	"/v1/activation/single":               `{"prompt":"p","model":"m"}`,
	"/v1/activation/single-batch":         `{"prompts":["p","q"],"model":"m"}`,
	"/v1/activation/all":                  `{"prompt":"p","model":"m","sourceSet":"someSet","selectedSources":[],"sortByTokenIndexes":[],"ignoreBos":true}`,
	"/v1/activation/all-batch":            `{"prompts":["p"],"model":"m","source_set":"s","selected_sources":[],"sort_by_token_indexes":[],"ignore_bos":true}`,
	"/v1/activation/topk-by-token":        `{"prompt":"p","model":"m","source":"s","ignoreBos":true}`,
	"/v1/activation/topk-by-token-batch":  `{"prompts":["p"],"model":"m","source":"s","ignoreBos":true}`,
	"/v1/activation/source":               `{"prompts":["p"],"model":"m","source":"s"}`,
	"/v1/activation/raw":                  `{"prompts":["p"]}`,
	"/v1/activation/attention":            `{"prompt":"p","model":"m","layer":1,"head":0}`,
	"/v1/util/sae-vector":                 `{"model":"m","source":"s","index":1}`,
	"/v1/util/sae-topk-by-decoder-cossim": `{"feature":{"model":"someModel","source":"s","index":1},"model":"m","source":"s","numResults":1}`,
	"/v1/util/similarity-matrix-pred":     `{"modelId":"m","sourceId":"s","index":0,"text":"someText"}`,
	"/v1/apply-chat-template":             `{"messages":[{"role":"user","content":"someText"}]}`,
	"/v1/steer/completion":                `{"prompt":"a b",` + steeringExample,
	"/v1/steer/completion-chat":           `{"prompt":[{"role":"user","content":"someText"}],"steerSpecialTokens":true,"isAssistantAxis":true,` + steeringExample,
	"/v1/steer/health":                    "",
	"/v1/lens/prompt":                     `{"model":"m","type":["LOGIT_LENS"],"prompt":"p","stream":false}`,
}

const steeringExample = `"model":"m","steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false,"types":["STEERED"],"features":[],"nCompletionTokens":3,` +
	`"temperature":0,"strengthMultiplier":1,"freqPenalty":0,"seed":0,"nLogprobs":1}`

// unspelled are the routes whose answers have no keys that could be respelled.
var unspelled = map[string]bool{"/livez": true, "/readyz": true, "/health": true, "/openapi.json": true, "/docs": true, "/redoc": true, "/initialize": true}

// TestSpelling asks every route in both spellings. Only keys may differ.
func TestSpelling(t *testing.T) {
	camel, snake := New(readyFake(), Options{Logger: quiet()}).Handler(), New(readyFake(), Options{Logger: quiet(), Snake: true}).Handler()
	for _, r := range routes {
		body, ok := examples[r.path]
		if !ok && !unspelled[r.path] {
			t.Errorf("%s has no example", r.path)
		}
		if !ok {
			continue
		}
		plain := answer(t, ask(camel, r.method, r.path, body).Body.Bytes())
		want := respelled(plain)
		for name, got := range map[string][]byte{
			"header":  ask(camel, r.method, r.path, body, spellingHeader, "snake").Body.Bytes(),
			"setting": ask(snake, r.method, r.path, body).Body.Bytes(),
		} {
			if !reflect.DeepEqual(answer(t, got), want) {
				t.Errorf("%s, by %s: %s", r.path, name, got)
			}
		}
		if got := ask(snake, r.method, r.path, body, spellingHeader, "camel").Body.Bytes(); !reflect.DeepEqual(answer(t, got), plain) {
			t.Errorf("%s: the header does not beat the setting: %s", r.path, got)
		}
	}
	if w := ask(camel, "POST", "/v1/tokenize", examples["/v1/tokenize"], spellingHeader, "kebab"); w.Code != 400 {
		t.Errorf("an unknown spelling: %d %s", w.Code, w.Body)
	}
}

func answer(t *testing.T, body []byte) any {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// byData are the keys of objects whose own keys are data.
var byData = map[string]bool{"layers_by_type": true, "pcValues": true, "pcValuesPostCap": true}

// respelled is an answer with the keys that snake_case asks for.
func respelled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if byData[key] {
				out[schema.SnakeCase(key)] = value
				continue
			}
			out[schema.SnakeCase(key)] = respelled(value)
			if key == "hookName" || key == "activeFeatures" {
				out[key] = respelled(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = respelled(item)
		}
		return out
	}
	return v
}

// TestNamesOfTheClients holds the spelling to what the published clients read.
func TestNamesOfTheClients(t *testing.T) {
	for camel, snake := range map[string]string{
		"maxValueIndex": "max_value_index", "tokensIsSpecial": "tokens_is_special", "topkDecoderCossimFeatures": "topk_decoder_cossim_features",
		"cosineSimilarity": "cosine_similarity", "dfaTargetIndex": "dfa_target_index", "prependBos": "prepend_bos", "sumValues": "sum_values",
		"topFeatures": "top_features", "tokenPosition": "token_position", "pcValuesPostCap": "pc_values_post_cap", "chatTemplate": "chat_template",
		"assistantAxis": "assistant_axis", "topLogprobs": "top_logprobs", "max_tokens": "max_tokens",
	} {
		if got := schema.SnakeCase(camel); got != snake {
			t.Errorf("%s is %s, want %s", camel, got, snake)
		}
	}
}

// TestStreamsAreSpelled asks for events in snake_case.
func TestStreamsAreSpelled(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet()}).Handler()
	body := strings.TrimSuffix(examples["/v1/steer/completion-chat"], "}") + `,"stream":true}`
	for spelling, want := range map[string]string{"snake": `"top_logprobs"`, "camel": `"topLogprobs"`} {
		w := ask(h, "POST", "/v1/steer/completion-chat", body, spellingHeader, spelling)
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "data: ") || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", spelling, w.Code, w.Body)
		}
	}
}
