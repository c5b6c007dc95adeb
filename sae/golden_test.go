package sae

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
	"npinf/weights"
)

// diskFiles is a repository in a folder.
type diskFiles string

func (d diskFiles) Has(path string) bool {
	info, err := os.Stat(filepath.Join(string(d), filepath.FromSlash(path)))
	return err == nil && !info.IsDir()
}

func (d diskFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	data, err := os.ReadFile(filepath.Join(string(d), filepath.FromSlash(path)))
	return data, func() {}, err
}

func testDevice(t testing.TB) kernels.Device {
	t.Helper()
	device, err := kernels.NewCPU(kernels.CPUOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return device
}

// goldenCase is one case.json.
type goldenCase struct {
	Dialect       string
	Release       string
	ID            string         `json:"sae_id"`
	Repo          string         `json:"repo_id"`
	Path          string         `json:"path"`
	NeuronpediaID string         `json:"neuronpedia_id"`
	Overrides     map[string]any `json:"config_overrides"`
	Factor        float64        `json:"norm_scaling_factor"`
	Files         []string
	Architecture  string
	DIn           int    `json:"d_in"`
	DSAE          int    `json:"d_sae"`
	DOut          int    `json:"d_out"`
	HookName      string `json:"hook_name"`
	Layer         int
	Config        map[string]any
	Metadata      map[string]any
	Served        struct {
		Folded, Served, DFA bool
		NeuronpediaID       string `json:"neuronpedia_id_seen"`
	}
	TieFeatures []int `json:"tie_features"`
	TieRows     []int `json:"tie_rows"`
	NaNRows     []int `json:"nan_rows"`
	Wanted      string
	SAELens     struct{ Outcome string }
}

func (c goldenCase) row() Row {
	row := Row{
		Release: c.Release, ID: c.ID, Repo: c.Repo, Path: c.Path, Dialect: c.Dialect, Overrides: c.Overrides, NormScalingFactor: c.Factor,
	}
	if slash := strings.LastIndexByte(c.NeuronpediaID, '/'); slash >= 0 {
		row.NeuronpediaModel, row.Source = c.NeuronpediaID[:slash], c.NeuronpediaID[slash+1:]
	}
	return row
}

// goldenSource is a loaded case beside what is expected of it.
type goldenSource struct {
	goldenCase
	*Source
	builder  *builder
	device   kernels.Device
	expected map[string]weights.Tensor
}

func openGolden(t *testing.T, dir string, dtype string) *goldenSource {
	t.Helper()
	g := &goldenSource{device: testDevice(t), expected: map[string]weights.Tensor{}}
	golden.ReadJSON(t, filepath.Join(dir, "case.json"), &g.goldenCase)
	file, err := weights.ParseSafetensors(golden.ReadFile(t, filepath.Join(dir, "expected.safetensors")))
	if err != nil {
		t.Fatal(err)
	}
	g.expected = byName(file.Tensors)
	files := diskFiles(filepath.Join(dir, "repo"))
	options := LoadOptions{Device: g.device, DType: dtype}
	if g.Source, err = Load(t.Context(), files, g.row(), options); err != nil {
		t.Fatal(err)
	}
	found, _ := findDialect(g.row())
	if g.builder, err = assemble(&repository{ctx: t.Context(), files: files}, found, g.row(), options); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *goldenSource) values(name string) []float32 {
	return parameter{Tensor: g.expected[name]}.floats()
}

func (g *goldenSource) has(name string) bool {
	_, found := g.expected[name]
	return found
}

func (g *goldenSource) rows() int { return g.expected["x"].Shape[0] }

// compare checks got against an expected tensor, row by row: within relative·m + 1e-6, m
// being the row's largest magnitude. NaN must be where NaN is expected.
func (g *goldenSource) compare(t *testing.T, name string, got []float32, relative float64) {
	t.Helper()
	if g.Source.Architecture == "temporal" {
		relative = 1e-4
	}
	want := g.values(name)
	if len(got) != len(want) {
		t.Errorf("%s: %d values, want %d", name, len(got), len(want))
		return
	}
	width := max(1, len(want))
	if shape := g.expected[name].Shape; len(shape) > 0 {
		width = shape[len(shape)-1]
	}
	for start := 0; start < len(want); start += width {
		if problem := rowDifference(got[start:start+width], want[start:start+width], relative); problem != "" {
			t.Errorf("%s, row %d: %s", name, start/width, problem)
			return
		}
	}
}

func rowDifference(got, want []float32, relative float64) string {
	largest := 0.0
	for _, w := range want {
		if !math.IsNaN(float64(w)) {
			largest = max(largest, math.Abs(float64(w)))
		}
	}
	tolerance := relative*largest + 1e-6
	for i, w := range want {
		if math.IsNaN(float64(w)) {
			if !math.IsNaN(float64(got[i])) {
				return fmt.Sprintf("column %d is %v, want NaN", i, got[i])
			}
			continue
		}
		if !(math.Abs(float64(got[i])-float64(w)) <= tolerance) {
			return fmt.Sprintf("column %d is %v, want %v within %g", i, got[i], w, tolerance)
		}
	}
	return ""
}

// compareActs checks activations: values, the exact set of non-zeros, NaN.
func (g *goldenSource) compareActs(t *testing.T, name string, got []float32) {
	t.Helper()
	g.compare(t, name, got, 1e-5)
	want := g.values(name)
	for i := range want {
		if (got[i] == 0) != (want[i] == 0) {
			t.Errorf("%s: row %d, feature %d is %v, want %v", name, i/g.Features, i%g.Features, got[i], want[i])
			return
		}
	}
}
