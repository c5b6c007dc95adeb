package server

import (
	"encoding/json"
	"strings"
	"testing"

	"npinf/engine"
)

func (f *fake) Provenance() (engine.Provenance, error) {
	return engine.Provenance{
		Lens:  &engine.SourceOrigin{Origin: engine.Origin{Name: "owner/lenses", Commit: "89"}, Path: "a.pt"},
		Model: engine.Origin{Name: "owner/model", Commit: "0123abcd"}, DType: "bfloat16", SourceDType: "float32",
		Arithmetic: "float32", Device: "cpu", CPUPath: "avx2", Threads: 2,
		Files: []engine.WeightFile{{Path: "model.safetensors", Bytes: 12, SHA256: "ff"}},
	}, nil
}

func (f *fake) SourceOrigins() ([]engine.SourceOrigin, error) {
	return []engine.SourceOrigin{
		{ID: "5-res-jb", Origin: engine.Origin{Name: "owner/saes", Commit: "4567"}, Path: "blocks.5"},
		{ID: "1-mine", Origin: engine.Origin{Name: "mine"}, Path: "1"},
	}, nil
}

func (p *player) Provenance() (engine.Provenance, error) {
	return engine.Provenance{Model: engine.Origin{Name: "recorded"}, DType: "float32"}, nil
}

func (p *player) SourceOrigins() ([]engine.SourceOrigin, error) { return nil, nil }

func TestProvenance(t *testing.T) {
	h := New(readyFake(), Options{Logger: quiet(), Version: "1.2", Secret: "s"}).Handler()
	const line = "model=owner/model@0123abcd; dtype=bfloat16; sae_dtype=float32; cpu=avx2; npinf=1.2"
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/tokenize", tokenizeBody, 200},
		{"POST", "/v1/tokenize", `{}`, 422},
		{"GET", "/v1/capabilities", "", 200},
		{"GET", "/v1/steer/health", "", 200},
		{"POST", "/v1/steer/completion", `{"prompt":"a","model":"m","steerMethod":"SIMPLE_ADDITIVE","normalizeSteering":false,"types":["DEFAULT"],` +
			`"nCompletionTokens":1,"temperature":0,"strengthMultiplier":1,"freqPenalty":0,"seed":1,"features":[],"stream":true}`, 200},
	} {
		w := ask(h, c.method, c.path, c.body, "X-SECRET-KEY", "s")
		if got := w.Header().Get(provenanceHeader); w.Code != c.status || got != line {
			t.Errorf("%s: %d, header %q", c.path, w.Code, got)
		}
	}
	for _, path := range []string{"/health", "/docs", "/v1/nothing"} {
		if w := ask(h, "GET", path, "", "X-SECRET-KEY", "s"); w.Header().Get(provenanceHeader) != "" {
			t.Errorf("%s has a provenance", path)
		}
	}
	if w := ask(h, "GET", "/v1/provenance", ""); w.Code != 401 || w.Header().Get(provenanceHeader) != "" {
		t.Errorf("without the secret: %d %v", w.Code, w.Header())
	}
	w := ask(h, "GET", "/v1/provenance", "", "X-SECRET-KEY", "s")
	var answer map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer["version"] != "1.2" || answer["cpuPath"] != "avx2" {
		t.Errorf("provenance: %s, %v", w.Body, err)
	}
	for _, part := range []string{
		`"model":{"repository":"owner/model","commit":"0123abcd","files":[{"path":"model.safetensors","bytes":12,"sha256":"ff"}]}`,
		`"jacobianLens":{"repository":"owner/lenses","commit":"89","path":"a.pt"}`,
		`"sources":[{"id":"5-res-jb","repository":"owner/saes","commit":"4567","path":"blocks.5"},{"id":"1-mine","repository":"mine","commit":null,"path":"1"}]`,
	} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("%s is missing in %s", part, w.Body)
		}
	}
}

// TestProvenanceLine writes names that no header can hold, and several sources.
func TestProvenanceLine(t *testing.T) {
	p := engine.Provenance{Model: engine.Origin{Name: "mein Modell; ä\r\n"}, DType: "float32"}
	got := provenanceLine(p, []engine.Origin{{Name: "a/b", Commit: "12"}, {Name: "c/d", Commit: "34"}}, "")
	if want := "model=mein+Modell%3B+%C3%A4%0D%0A; sources=a/b@12,c/d@34; dtype=float32"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p = engine.Provenance{Model: engine.Origin{Name: "m"}, DType: "bfloat16", Arithmetic: "fast-bf16"}
	if got, want := provenanceLine(p, nil, ""), "model=m; dtype=bfloat16; arithmetic=fast-bf16"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
