package cli

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// mixed are requests of every kind of work: activations, attention, lens, steering, chat, with
// and without streams.
var mixed = []struct{ path, body string }{
	{"/v1/tokenize", `{"model":"m","text":"Hello"}`},
	{"/v1/activation/topk-by-token", `{"model":"m","source":"2-res-demo","prompt":"Once upon a time","topK":3,"ignoreBos":true}`},
	{"/v1/activation/all", `{"model":"m","prompt":"Tom has 7 rings","sourceSet":"res-demo","selectedSources":[],"sortByTokenIndexes":[],"ignoreBos":true,"numResults":5}`},
	{"/v1/activation/attention", `{"model":"m","prompt":"The capital of France is","layer":1,"head":2}`},
	{"/v1/lens/prompt", `{"model":"m","type":["LOGIT_LENS"],"prompt":"Once upon a time","stream":true,"topN":3,"layers":[0,3],"maxNewTokens":4}`},
	{"/v1/steer/completion", `{"model":"m","prompt":"Once upon a time","features":[{"model":"m","source":"3-res-demo","index":217,"strength":39}],"types":["STEERED","DEFAULT"],
		"nCompletionTokens":24,"temperature":0.8,"strengthMultiplier":1,"freqPenalty":0,"seed":1,"steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false,"stream":true}`},
	{"/v1/steer/completion-chat", `{"model":"m","prompt":[{"role":"user","content":"Who are you?"}],"features":[{"model":"m","source":"3-res-demo","index":217,"strength":10}],"types":["STEERED","DEFAULT"],
		"nCompletionTokens":24,"temperature":0,"strengthMultiplier":1,"freqPenalty":0,"seed":1,"steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false,"stream":false,"steerSpecialTokens":false}`},
}

// TestMixedLoad asks the real server for everything at once, from sixteen clients of whom one
// in five closes the connection early. Afterwards goroutines and the cache of keys and values
// are where they began. NPINF_TEST_LOAD says for how long ("60s"); a second otherwise.
func TestMixedLoad(t *testing.T) {
	length := time.Second
	if text := os.Getenv("NPINF_TEST_LOAD"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	url, _, stop := serve(t, nil)
	defer stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, r := range mixed { // what is loaded once is loaded now
		ask(t, client, url, r.path, r.body, false)
	}
	goroutines, end := settled(anyNumber), time.Now().Add(length)
	var all sync.WaitGroup
	for i := range 16 {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			for time.Now().Before(end) {
				r := mixed[random.IntN(len(mixed))]
				ask(t, client, url, r.path, r.body, random.IntN(5) == 0)
			}
		})
	}
	busy := generation{}
	for time.Now().Before(end) {
		if now := health(t, client, url); now.Cache > busy.Cache {
			busy = now
		}
		time.Sleep(10 * time.Millisecond)
	}
	all.Wait()
	if !(busy.Running > 1 && busy.Cache > 0) {
		t.Errorf("the load is none: at most %+v", busy)
	}
	if left := settled(goroutines); left > goroutines {
		t.Errorf("%d goroutines, %d before", left, goroutines)
	}
	if idle := health(t, client, url); idle != (generation{Ready: true}) {
		t.Errorf("after the load: %+v", idle)
	}
	t.Logf("%d goroutines; %.3f %% of the cache taken at most", goroutines, busy.Cache)
}

// ask sends a request; one that leaves reads a few bytes of the answer and closes.
func ask(t *testing.T, client *http.Client, url, path, body string, leave bool) {
	response, err := client.Post(url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	if leave {
		io.CopyN(io.Discard, response.Body, 20)
		return
	}
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %s %v", path, response.StatusCode, text, err)
	}
}

const anyNumber = 1 << 30

// settled waits until there are no more goroutines than so many, or until their number stays
// the same for half a second, and gives the number.
func settled(most int) int {
	last, same := runtime.NumGoroutine(), 0
	for same < 50 && (last > most || most == anyNumber) {
		time.Sleep(10 * time.Millisecond)
		if now := runtime.NumGoroutine(); now == last {
			same++
		} else {
			last, same = now, 0
		}
	}
	return last
}

// generation is what the server tells of requests that generate.
type generation struct {
	Running int     `json:"num_running_requests"`
	Waiting int     `json:"num_waiting_requests"`
	Cache   float64 `json:"cpu_cache_usage_percent"`
	Ready   bool    `json:"engine_initialized"`
}

func health(t *testing.T, client *http.Client, url string) generation {
	response, err := client.Get(url + "/v1/steer/health")
	if err != nil {
		t.Error(err)
		return generation{}
	}
	defer response.Body.Close()
	var answer struct{ Stats generation }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Error(err)
	}
	return answer.Stats
}
