package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// mostResident is what may be resident over the weights, each counted once, when keys and values
// are counted as well; half of it is what copies may lie in memory of their own for.
const mostResident = 1.10

// BenchmarkMemory asks for everything, four clients at once, with all sources loaded. resident is
// the memory that the process has more than before the load, over the bytes of all weights and
// the keys and values of the generations; own is what of it is neither pages of the files nor the
// transposed weights that replaced those.
func BenchmarkMemory(b *testing.B) {
	folder := benchFiles(b)
	debug.FreeOSMemory()
	before, ownBefore := residentBytes(b, "VmRSS:"), residentBytes(b, "RssAnon:")
	s := loadBench(b, folder)
	b.Cleanup(s.close)
	for b.Loop() {
		s.askEverything(b)
	}
	const (
		copied  = 4 * benchLayers * (blockWeights + sourceWeights)
		weights = copied + 4*(headWeights+1024*benchWidth+benchLayers*sourceWeights)
		cached  = 4 * 4 * 2 * benchLayers * benchWidth * 2 * benchTokens // clients · outputs · tokens, keys and values
	)
	resident := float64(residentBytes(b, "VmRSS:")-before) / (weights + cached)
	b.ReportMetric(resident, "resident")
	b.ReportMetric(float64(residentBytes(b, "RssAnon:")-ownBefore-copied)/1e6, "own-MB")
	if resident > mostResident {
		b.Errorf("%.3f of the weights are resident, want at most %.2f", resident, mostResident)
	}
}

// askEverything sends a mixture of requests that reads every weight.
func (s *benchServer) askEverything(b *testing.B) {
	prompt := benchPrompt()
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() {
			for i := range benchLayers {
				source := fmt.Sprintf("%d-res-bench", (i+3*client)%benchLayers)
				for path, body := range map[string]string{
					"activation/all":                  fmt.Sprintf(`{"model":"bench","prompt":%q,"sourceSet":"res-bench","selectedSources":[],"sortByTokenIndexes":[],"ignoreBos":true,"numResults":25}`, prompt),
					"activation/topk-by-token":        fmt.Sprintf(`{"model":"bench","prompt":%q,"source":%q,"topK":50,"ignoreBos":true}`, strings.Repeat(prompt, 5), source),
					"activation/source":               fmt.Sprintf(`{"model":"bench","prompts":[%q],"source":%q}`, prompt, source),
					"activation/raw":                  fmt.Sprintf(`{"model":"bench","prompts":[%q],"layers":[3,11]}`, prompt),
					"activation/attention":            fmt.Sprintf(`{"model":"bench","prompt":%q,"layer":%d,"head":0}`, prompt, i),
					"lens/prompt":                     fmt.Sprintf(`{"model":"bench","type":["LOGIT_LENS"],"prompt":%q,"stream":false,"topN":5,"layers":[],"maxNewTokens":0}`, prompt),
					"util/sae-topk-by-decoder-cossim": fmt.Sprintf(`{"model":"bench","feature":{"model":"bench","source":%q,"index":5},"source":%q,"numResults":10}`, source, source),
					"steer/completion": fmt.Sprintf(`{"model":"bench","prompt":%q,"types":["STEERED","DEFAULT"],"features":[{"model":"bench","source":%q,"index":7,"strength":1}],
						"nCompletionTokens":%d,"temperature":0,"strengthMultiplier":1,"freqPenalty":0,"seed":16,"steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false}`, prompt, source, benchTokens),
				} {
					s.post(b, "/v1/"+path, body)
				}
			}
		})
	}
	clients.Wait()
}

// residentBytes reads a line of the process's state.
func residentBytes(b *testing.B, name string) int64 {
	content, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "\n"+name)
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		b.Fatalf("/proc/self/status has no %s: %v", name, err)
	}
	return kilobytes << 10
}
