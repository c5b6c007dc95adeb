package sae

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
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

func TestGoldenSAE(t *testing.T) {
	dir := golden.Dir(t, "sae")
	cases, err := filepath.Glob(filepath.Join(dir, "*", "*", "expected.safetensors*"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases in %s: %v", dir, err)
	}
	passed, skipped := map[string]int{}, map[string]int{}
	for _, file := range cases {
		folder := filepath.Dir(file)
		name, _ := filepath.Rel(dir, folder)
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			var c goldenCase
			golden.ReadJSON(t, filepath.Join(folder, "case.json"), &c)
			if _, known := dialects[c.Dialect]; !known {
				skipped[c.Dialect]++
				t.Skipf("dialect %s is not supported", c.Dialect)
			}
			checkGolden(t, openGolden(t, folder, "float32"))
			if !t.Failed() {
				passed[c.Dialect]++
			}
		})
	}
	for _, dialect := range slices.Sorted(maps.Keys(passed)) {
		t.Logf("%s: %d passed, %d skipped", dialect, passed[dialect], skipped[dialect])
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

// checkConsistency verifies that the four ways of encoding agree: the lists to the bit, the
// chosen features, which a device may sum in another order, closely.
func checkConsistency(t *testing.T, s *Source, device kernels.Device, x kernels.Buffer) {
	z := s.Prepare(device, x)
	dense := make([]float32, x.Rows*s.Features)
	for row, active := range device.EncodeActive(z, s.Encoder()) {
		for _, v := range active {
			dense[row*s.Features+v.Feature] = v.Value
		}
	}
	chosen := encodeDense(s, device, x)
	for start := 0; start < len(dense); start += s.Features {
		if problem := rowDifference(chosen[start:start+s.Features], dense[start:start+s.Features], 1e-5); problem != "" {
			t.Errorf("EncodeFeatures against EncodeActive, row %d: %s", start/s.Features, problem)
		}
	}
	for row, top := range device.EncodeTopPerRow(z, s.Encoder(), 10) {
		values := dense[row*s.Features : (row+1)*s.Features]
		if slices.ContainsFunc(values, func(v float32) bool { return v != v }) {
			continue
		}
		if want := topOf(values, 10); !equalValues(top, want) {
			t.Errorf("row %d: EncodeTopPerRow gives %v, EncodeActive %v", row, top, want)
		}
	}
	checkPeaks(t, s, device, z, dense)
}

func checkPeaks(t *testing.T, s *Source, device kernels.Device, z kernels.Buffer, dense []float32) {
	peaks := make([]float32, s.Features)
	for i, value := range dense {
		if value != value {
			return
		}
		if feature := i % s.Features; i < s.Features || value > peaks[feature] {
			peaks[feature] = value
		}
	}
	want := topOf(peaks, 7)
	for i, peak := range device.EncodePeaks(z, s.Encoder(), kernels.PeakOptions{Top: 7}) {
		if peak.Feature != want[i].Feature || peak.Max != want[i].Value || dense[peak.MaxRow*s.Features+peak.Feature] != peak.Max {
			t.Errorf("EncodePeaks %d is %+v, want %+v", i, peak, want[i])
		}
	}
}

func topOf(values []float32, k int) []kernels.FeatureValue {
	var all []kernels.FeatureValue
	for feature, value := range values {
		all = append(all, kernels.FeatureValue{Feature: feature, Value: value})
	}
	slices.SortStableFunc(all, func(a, b kernels.FeatureValue) int {
		if a.Value > b.Value {
			return -1
		} else if a.Value < b.Value {
			return 1
		}
		return 0
	})
	return all[:min(k, len(all))]
}

func equalValues(a, b []kernels.FeatureValue) bool {
	return slices.EqualFunc(a, b, func(x, y kernels.FeatureValue) bool {
		return x.Feature == y.Feature && (x.Value == y.Value || (x.Value != x.Value && y.Value != y.Value))
	})
}

// checkTies verifies that identical features have equal activations and come by index.
func (g *goldenSource) checkTies(t *testing.T, x kernels.Buffer) {
	z := g.Prepare(g.device, x)
	tops := g.device.EncodeTopPerRow(z, g.Encoder(), g.Features)
	for _, row := range g.TieRows {
		var order []int
		values := map[float32]bool{}
		for _, v := range tops[row] {
			if slices.Contains(g.TieFeatures, v.Feature) {
				order = append(order, v.Feature)
				values[v.Value] = true
			}
		}
		if !slices.Equal(order, g.TieFeatures) || len(values) != 1 || values[0] {
			t.Errorf("row %d: tied features %v with values %v", row, order, values)
		}
	}
}

func TestGoldenSAEErrors(t *testing.T) {
	dir := golden.Dir(t, filepath.Join("sae", "errors"))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Run(entry.Name(), func(t *testing.T) {
			var c goldenCase
			golden.ReadJSON(t, filepath.Join(dir, entry.Name(), "case.json"), &c)
			checkGoldenError(t, c, diskFiles(filepath.Join(dir, entry.Name(), "repo")))
		})
	}
}

// mayLoad names the cases that npinf reads although the case's wish is a refusal or open:
// sizes come from the arrays, and two layouts that SAELens cannot read are unambiguous.
var mayLoad = []string{"npz_declared_sizes_differ", "dl_autoencoder_new", "sparsify_released_layout"}

func checkGoldenError(t *testing.T, c goldenCase, files weights.Files) {
	row := c.row()
	row.Release = "case"
	source, err := Load(t.Context(), files, row, LoadOptions{Device: testDevice(t), DType: "float32"})
	name := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	loads := strings.HasPrefix(c.Wanted, "loads") || c.Wanted == "as NaN" || slices.Contains(mayLoad, name)
	if loads {
		if err != nil {
			t.Fatalf("wanted: %s; got %v", c.Wanted, err)
		}
		x := source.device.Upload(2, source.Width, make([]float32, 2*source.Width))
		encodeDense(source, source.device, x)
		source.Close()
		return
	}
	if err == nil {
		t.Fatalf("loaded; wanted: %s", c.Wanted)
	}
	if text := err.Error(); !strings.Contains(text, c.Repo) || !strings.Contains(text, c.Path) {
		t.Errorf("%q names neither repository nor path", text)
	}
	t.Log(strconv.Quote(err.Error()))
}
