package server

import (
	"strings"
	"testing"
)

// TestAnswersByteForByte holds keys, their order, nulls and the spelling of numbers.
func TestAnswersByteForByte(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet()}).Handler()
	const single = `{"activation":{"values":[0.10000000149011612,0.0],"maxValue":0.10000000149011612,"maxValueIndex":0,` +
		`"dfaValues":null,"dfaMaxValue":null,"dfaTargetIndex":null},"tokens":["a","b"],"tokensIsSpecial":[false,true]}`
	const all = `{"activations":[{"source":"5-res-jb","index":3,"values":[0.10000000149011612,0.0],"sumValues":0.0,"maxValue":0.10000000149011612,` +
		`"maxValueIndex":0,"dfaValues":[9.999999747378752e-06,2.0],"dfaTargetIndex":1,"dfaMaxValue":2.0},{"source":"res-jb","index":0,"values":[],` +
		`"sumValues":0.0,"maxValue":0.0,"maxValueIndex":0,"dfaValues":null,"dfaTargetIndex":null,"dfaMaxValue":null}],"tokens":["<|endoftext|>","é` + "\uFFFD" + `"],"counts":null}`
	const topK = `{"results":[{"tokenPosition":1,"token":"a","isSpecial":false,"topFeatures":[{"featureIndex":5,"activationValue":0.10000000149011612}]}],"tokens":["a"]}`
	for _, c := range []struct{ path, body, want string }{
		{"single", `{"prompt":"p","model":"m"}`, single},
		{"single-batch", `{"prompts":["p","q"],"model":"m"}`, `{"results":[` + single + "," + single + `]}`},
		{"single-batch", `{"prompts":[],"model":"m"}`, `{"results":[]}`},
		{"all", `{"prompt":"p","model":"m","sourceSet":"res-jb","selectedSources":[],"sortByTokenIndexes":[],"ignoreBos":true}`, all},
		{"all-batch", `{"prompts":["p"],"model":"m","source_set":"res-jb","selected_sources":[],"sort_by_token_indexes":[],"ignore_bos":true}`, `{"results":[` + all + `]}`},
		{"topk-by-token", `{"prompt":"p","model":"m","source":"s","ignoreBos":true,"topK":null}`, topK},
		{"topk-by-token-batch", `{"prompts":["p"],"model":"m","source":"s","ignoreBos":true}`, `{"results":[` + topK + `]}`},
		{"source", `{"prompts":["p"],"model":"m","source":"s"}`, `{"results":[{"tokens":["a","b"],"activeFeatures":{"7":[[1,0.25]]}}]}`},
		{"raw", `{"prompts":["p"]}`, `{"hookPoint":"residual_stream","type":"final_output_token","dtype":"float32","device":"cpu",` +
			`"results":[{"tokenStrings":["a"],"tokenIds":[0],"activations":[{"layer":2,"tokenIndices":[0],"values":[[1.0,-0.5]]}]}]}`},
		{"attention", `{"prompt":"p","model":"m","layer":"1","head":0}`, `{"seqLen":2,"attentionIndices":[0,2],"attentionValues":[1.0,0.3454],"maxActivation":0.3454,"tokens":["a","b"]}`},
	} {
		w := ask(h, "POST", "/v1/activation/"+c.path, c.body)
		if got := w.Body.String(); w.Code != 200 || got != c.want {
			t.Errorf("%s: %d\n got %s\nwant %s", c.path, w.Code, got, c.want)
		}
	}
}

func TestGzip(t *testing.T) {
	f := readyFake()
	h := New(f, Options{Logger: quiet()}).Handler()
	short, long := `{"model":"m","text":"a"}`, `{"model":"m","text":"`+strings.Repeat("word ", 300)+`"}`
	for _, c := range []struct {
		body, accept, vary, encoding string
	}{
		{short, "gzip", "", ""},
		{long, "", "Accept-Encoding", ""},
		{long, "br, gzip;q=0", "Accept-Encoding", "gzip"},
		{long, "GZIP", "Accept-Encoding", ""},
		{long, "x-gzip", "Accept-Encoding", "gzip"},
	} {
		w := ask(h, "POST", "/v1/tokenize", c.body, "Accept-Encoding", c.accept)
		if w.Header().Get("Vary") != c.vary || w.Header().Get("Content-Encoding") != c.encoding {
			t.Errorf("%q with %d bytes: %v", c.accept, len(c.body), w.Header())
		}
		text, err := plain(w)
		if err != nil || !strings.HasPrefix(string(text), `{"tokens":[`) {
			t.Errorf("%q: %.40q, %v", c.accept, text, err)
		}
	}
}
