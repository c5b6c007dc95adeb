package engine

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"npinf/internal/golden"
)

// TestGoldenPersona reads every asset of the recorded worlds.
func TestGoldenPersona(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Dir(t, "server"), "*", "persona", "*", "*", "persona.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		p, err := loadPersona(filepath.Dir(file), 24, 32)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if len(p.components) != len(p.titles) || len(p.titles) == 0 || !p.blankSystem {
			t.Errorf("%s: %+v", file, p)
		}
	}
}

// TestBrokenPersonas: an asset that cannot be used says why, and a missing one is no error.
func TestBrokenPersonas(t *testing.T) {
	if p, err := loadPersona(t.TempDir(), 8, 2); p != nil || err != nil {
		t.Errorf("nothing there: %v, %v", p, err)
	}
	for content, says := range map[string]string{
		"pca: [":                     "persona.yaml",
		"pc_titles: [a]":             "no layers",
		"pca: [{layer: 1, file: x}]": "no titles",
		"pc_titles: [a]\npca: [{layer: 2, file: x}]":                                                      "layer 2 is out of",
		"pc_titles: [a]\npca: [{layer: 1, file: x}]":                                                      "contrast_vectors.pt",
		"contrast_vectors: persona.yaml\npc_titles: [a]\npca: [{layer: 1, file: x}, {layer: 0, file: y}]": "torch file",
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "persona.yaml"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if p, err := loadPersona(folder, 8, 2); p != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; want …%s…", content, p, err, says)
		}
	}
}

func TestTurned(t *testing.T) {
	if got := turned([]float32{3, 0, 4}, false); !nearly(got, []float32{-0.6, 0, -0.8}) {
		t.Error(got)
	}
	// 1/√3 lies between two numbers of bfloat16; so does √3, by which it is divided.
	got := turned([]float32{1, 1, 1}, true)
	want := toBF16(1 / toBF16(float32(math.Sqrt(3))))
	if got[0] != -want || math.Float32bits(got[0])&0xffff != 0 {
		t.Errorf("got %v, want %v", got, -want)
	}
	for x, want := range map[float32]float32{1: 1, 1.00390625: 1, 1.01171875: 1.015625, -1.005: -1.0078125} {
		if got := toBF16(x); got != want {
			t.Errorf("%v rounds to %v, want %v", x, got, want)
		}
	}
}

func TestProject(t *testing.T) {
	p := persona{scalerMean: []float32{1, 1}, pcaMean: []float32{0, 1}, components: [][]float32{{1, 0}, {0, 2}}}
	if got := p.project([]float32{4, 5}); !nearly(got, []float32{3, 6}) {
		t.Error(got)
	}
	p.scalerEps = 1e-12
	if got := p.project([]float32{4, 5}); !nearly(got, []float32{0.6, -0.4}) {
		t.Error(got)
	}
	if got := p.project([]float32{1, 1}); !nearly(got, []float32{0, -2}) {
		t.Errorf("a row of nothing gives %v", got)
	}
	if got := mean(nil, 2); !nearly(got, []float32{0, 0}) {
		t.Error(got)
	}
	if got := snippet(strings.Repeat("é", 121)); got != strings.Repeat("é", 120)+"..." {
		t.Error(got)
	}
}
