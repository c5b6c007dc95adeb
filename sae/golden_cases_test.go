package sae

import (
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
)

func TestGoldenSAE(t *testing.T) {
	dir := golden.Dir(t, "sae")
	cases, err := filepath.Glob(filepath.Join(dir, "*", "*", "expected.safetensors*"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	passed := map[string]int{}
	for _, file := range cases {
		folder := filepath.Dir(file)
		name, _ := filepath.Rel(dir, folder)
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			var c goldenCase
			golden.ReadJSON(t, filepath.Join(folder, "case.json"), &c)
			checkGolden(t, openGolden(t, folder, "float32"))
			if !t.Failed() {
				passed[c.Dialect]++
			}
		})
	}
	for _, dialect := range slices.Sorted(maps.Keys(passed)) {
		t.Logf("%s: %d passed", dialect, passed[dialect])
	}
}

func checkGolden(t *testing.T, g *goldenSource) {
	checkFacts(t, g)
	checkFiles(t, g)
	g.checkLoaded(t)
	x := g.device.Upload(g.rows(), g.Width, g.values("x"))
	if g.has("acts_rule") {
		g.checkActs(t, x, "acts_rule", "decoded_rule", "")
	} else {
		g.checkActs(t, x, "acts", "decoded", "forward")
	}
	if g.codes == nil {
		g.checkPre(t, x)
	}
	if g.has("served.acts") {
		g.checkServed(t, x)
	}
	if g.temporal != nil {
		g.checkTemporal(t, x)
	}
	checkConsistency(t, g.Source, g.device, x)
	g.checkTies(t, x)
}

func checkFacts(t *testing.T, g *goldenSource) {
	c, s := g.goldenCase, g.Source
	outputWidth := c.DOut
	if outputWidth == 0 {
		outputWidth = c.DIn
	}
	if s.Architecture != c.Architecture || s.Width != c.DIn || s.Features != c.DSAE || s.OutputWidth != outputWidth || s.HookName != c.HookName {
		t.Errorf("%s %d→%d→%d at %s, want %s %d→%d→%d at %s", s.Architecture, s.Width, s.Features, s.OutputWidth, s.HookName,
			c.Architecture, c.DIn, c.DSAE, outputWidth, c.HookName)
	}
	if s.Layer != c.Layer && strings.HasPrefix(c.HookName, "blocks.") {
		t.Errorf("layer %d, want %d", s.Layer, c.Layer)
	}
	if c.Served.Served && (s.Folded != c.Served.Folded || s.NeuronpediaID != c.Served.NeuronpediaID) {
		t.Errorf("folded %v, id %q; want %v, %q", s.Folded, s.NeuronpediaID, c.Served.Folded, c.Served.NeuronpediaID)
	}
	if c.Served.Served && s.Attribution() != (c.Served.DFA && strings.HasSuffix(c.HookName, "hook_z")) {
		t.Errorf("attribution %v", s.Attribution())
	}
	compareMaps(t, "config", s.Config, c.Config, "normalize_activations")
	compareMaps(t, "metadata", s.Metadata, c.Metadata, "sae_lens_version")
}

// compareMaps compares JSON values; null and absent are the same. ignored may differ.
func compareMaps(t *testing.T, what string, got, want map[string]any, ignored string) {
	t.Helper()
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var plainGot map[string]any
	if err := json.Unmarshal(data, &plainGot); err != nil {
		t.Fatal(err)
	}
	for _, values := range []map[string]any{plainGot, want} {
		maps.DeleteFunc(values, func(key string, value any) bool { return value == nil || key == ignored })
	}
	if !reflect.DeepEqual(plainGot, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, plainGot, want)
	}
}

// checkFiles verifies that planning a download covers what loading reads.
func checkFiles(t *testing.T, g *goldenSource) {
	list, err := Paths(g.row(), func(path string) bool { return slices.Contains(g.Files, path) })
	if err != nil {
		t.Error(err)
	}
	for _, path := range list {
		if !slices.Contains(g.Files, path) {
			t.Errorf("Paths asks for %s, which the repository does not have", path)
		}
	}
}

// checkLoaded compares every parameter before folding, the norm factor included.
func (g *goldenSource) checkLoaded(t *testing.T) {
	names := 0
	for name := range g.expected {
		as, isParameter := strings.CutPrefix(name, "loaded.")
		if !isParameter {
			continue
		}
		names++
		p := g.builder.parameters[as]
		values := p.floats()
		if p.transposed {
			values = transposedValues(values, p.Shape)
		}
		for i := range values {
			switch as {
			case "W_enc":
				values[i] *= g.builder.factor
			case "W_dec", "b_dec":
				values[i] /= g.builder.factor
			}
		}
		g.compare(t, name, values, 1e-6)
	}
	if names != len(g.builder.parameters) {
		t.Errorf("%d parameters, want %d", len(g.builder.parameters), names)
	}
}

func transposedValues(values []float32, shape []int) []float32 {
	result := make([]float32, len(values))
	for i, v := range values {
		result[i%shape[1]*shape[0]+i/shape[1]] = v
	}
	return result
}

// checkPre compares the pre-activations before folding.
func (g *goldenSource) checkPre(t *testing.T, x kernels.Buffer) {
	z := g.Prepare(g.device, x)
	product := g.device.NewBuffer(x.Rows, g.Features)
	g.device.Linear(product, z, g.Encoder().W, g.Encoder().Bias, false)
	pre := make([]float32, x.Rows*g.Features)
	g.device.Download(pre, product)
	if !g.has("gate_pre") {
		g.compare(t, "pre", pre, 1e-5)
		return
	}
	g.compare(t, "gate_pre", pre, 1e-5)
	gate, magnitude, bias := g.builder.parameters["b_gate"].floats(), g.builder.parameters["r_mag"].floats(), g.builder.parameters["b_mag"].floats()
	for i := range pre {
		feature := i % g.Features
		pre[i] = (pre[i]-gate[feature])*float32(math.Exp(float64(magnitude[feature]))) + bias[feature]
	}
	g.compare(t, "pre", pre, 1e-5)
}

// checkActs compares activations, decoded and forward of the source without folding.
func (g *goldenSource) checkActs(t *testing.T, x kernels.Buffer, acts, decoded, forward string) {
	plainSource := *g.Source
	plainSource.encoder.Scale = kernels.Buffer{}
	if !g.builder.design.ranked {
		plainSource.decoder.norms = nil
	}
	got := encodeDense(&plainSource, g.device, x)
	g.compareActs(t, acts, got)
	g.compare(t, decoded, decodeAll(t, got, g.values("x"), g.Width, &plainSource, plainSource.Decode), 2e-5)
	if g.has(forward) && g.temporal == nil {
		g.compare(t, forward, decodeAll(t, got, g.values("x"), g.Width, &plainSource, plainSource.Reconstruct), 2e-5)
	}
	if strings.Contains(t.Name(), "exact_threshold") && !slices.Equal(got, g.values(acts)) {
		t.Errorf("%s are not bit-equal", acts)
	}
}

func encodeDense(s *Source, device kernels.Device, x kernels.Buffer) []float32 {
	z := s.Prepare(device, x)
	all := make([]int, s.Features)
	for i := range all {
		all[i] = i
	}
	result := device.NewBuffer(x.Rows, s.Features)
	device.EncodeFeatures(result, z, s.Encoder(), all)
	values := make([]float32, x.Rows*s.Features)
	device.Download(values, result)
	return values
}

func decodeAll(t *testing.T, acts, x []float32, width int, s *Source, decode func([]kernels.FeatureValue, []float32) ([]float32, error)) []float32 {
	t.Helper()
	var result []float32
	for row := range len(x) / width {
		var active []kernels.FeatureValue
		for feature, value := range acts[row*s.Features : (row+1)*s.Features] {
			if value != 0 {
				active = append(active, kernels.FeatureValue{Feature: feature, Value: value})
			}
		}
		y, err := decode(active, x[row*width:(row+1)*width])
		if err != nil {
			t.Fatal(err)
		}
		result = append(result, y...)
	}
	return result
}

// checkServed compares what the server computes with: everything folded.
func (g *goldenSource) checkServed(t *testing.T, x kernels.Buffer) {
	got := encodeDense(g.Source, g.device, x)
	g.compareActs(t, "served.acts", got)
	g.compare(t, "served.decoded", decodeAll(t, got, g.values("x"), g.Width, g.Source, g.Decode), 2e-5)
	if g.has("served.forward") {
		g.compare(t, "served.forward", decodeAll(t, got, g.values("x"), g.Width, g.Source, g.Reconstruct), 2e-5)
	}
	var encoder, decoder []float32
	for feature := range g.Features {
		column, err := g.EncoderRow(g.device, feature)
		if err != nil {
			t.Fatal(err)
		}
		row, err := g.DecoderRow(feature)
		if err != nil {
			t.Fatal(err)
		}
		encoder, decoder = append(encoder, column...), append(decoder, row...)
	}
	g.compare(t, "served.W_enc", transposedValues(encoder, []int{g.Features, g.Width}), 2e-6)
	g.compare(t, "served.W_dec", decoder, 2e-6)
	for _, name := range []string{"b_enc", "threshold", "b_gate", "b_mag"} {
		if !g.has("served." + name) {
			continue
		}
		values := g.builder.parameters[name].floats()
		for i := range values {
			values[i] *= g.decoder.norms[i]
		}
		g.compare(t, "served."+name, values, 2e-6)
	}
}

func (g *goldenSource) checkTemporal(t *testing.T, x kernels.Buffer) {
	predicted, err := g.PredictedCodes(g.device, x)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, predicted.Rows*predicted.Width)
	g.device.Download(values, predicted)
	g.compare(t, "pred", values, 1e-4)
	acts := encodeDense(g.Source, g.device, x)
	for i := range values {
		values[i] += acts[i]
	}
	g.compare(t, "forward", decodeAll(t, values, g.values("x"), g.Width, g.Source, g.Decode), 1e-4)
	similarity, err := g.Similarity(g.device, x)
	if err != nil {
		t.Fatal(err)
	}
	g.compare(t, "similarity", slices.Concat(similarity...), 1e-4)
}
