package sae

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"npinf/kernels"
)

// memoryFiles is a repository in memory that counts what is open.
type memoryFiles struct {
	content map[string][]byte
	open    int
}

func (m *memoryFiles) Has(path string) bool { _, found := m.content[path]; return found }

func (m *memoryFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	data, found := m.content[path]
	if !found {
		return nil, nil, errors.New("no such file")
	}
	m.open++
	return data, func() { m.open-- }, nil
}

// array is a tensor of a hand-made file.
type array struct {
	dtype  string
	shape  []int
	values []float32
}

func f32(shape []int, values ...float32) array { return array{"F32", shape, values} }

// safetensorsFile writes a safetensors file.
func safetensorsFile(arrays map[string]array) []byte {
	header, body := map[string]any{}, []byte{}
	for name, a := range arrays {
		start := len(body)
		for _, v := range a.values {
			switch a.dtype {
			case "BF16":
				body = binary.LittleEndian.AppendUint16(body, kernels.F32ToBF16(v))
			case "I64":
				body = binary.LittleEndian.AppendUint64(body, uint64(int64(v)))
			case "F64":
				body = binary.LittleEndian.AppendUint64(body, math.Float64bits(float64(v)))
			default:
				body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
			}
		}
		header[name] = map[string]any{"dtype": a.dtype, "shape": a.shape, "data_offsets": []int{start, len(body)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body)
}

// smallArrays are those of a standard source with two inputs and three features. The norms
// of the decoder rows are 5, 0 and 2.
func smallArrays() map[string]array {
	return map[string]array{
		"W_enc": f32([]int{2, 3}, 1, 2, 3, -1, 0.5, 1),
		"b_enc": f32([]int{3}, 0, 0.25, -1),
		"W_dec": f32([]int{3, 2}, 3, 4, 0, 0, 0, 2),
		"b_dec": f32([]int{2}, 0.5, 1),
	}
}

func smallConfig(special string) string {
	return `{"d_in":2,"d_sae":3,"hook_name":"blocks.7.hook_resid_pre"` + special + `}`
}

func smallFiles(config string, arrays map[string]array) *memoryFiles {
	return &memoryFiles{content: map[string][]byte{"s/cfg.json": []byte(config), "s/sae_weights.safetensors": safetensorsFile(arrays)}}
}

func loadSmall(t *testing.T, files *memoryFiles, row Row, dtype string) (*Source, error) {
	t.Helper()
	row.Dialect, row.Path, row.Repo = "sae_lens", "s", "some/repository"
	return Load(t.Context(), files, row, LoadOptions{Device: testDevice(t), DType: dtype})
}

func mustLoad(t *testing.T, files *memoryFiles, row Row) *Source {
	t.Helper()
	source, err := loadSmall(t, files, row, "float32")
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func encodeRow(s *Source, x ...float32) []float32 {
	return encodeDense(s, s.device, s.device.Upload(1, len(x), x))
}

func near(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) <= 1e-5*max(1, math.Abs(float64(y))) })
}

func TestLoadFoldsDecoderNorms(t *testing.T) {
	files := smallFiles(smallConfig(""), smallArrays())
	s := mustLoad(t, files, Row{})
	if s.Architecture != "standard" || s.Layer != 7 || !s.Folded || s.Width != 2 || s.OutputWidth != 2 || s.Features != 3 {
		t.Errorf("%+v", s)
	}
	// z = (2.5, 1); pre = (1.5, 5.75, 7.5)
	if got := encodeRow(s, 3, 2); !near(got, []float32{7.5, 5.75e-8, 15}) || got[1] == 0 {
		t.Errorf("activations %v", got)
	}
	column, err := s.EncoderRow(s.device, 0)
	if err != nil || !near(column, []float32{5, -5}) {
		t.Errorf("encoder column %v, %v", column, err)
	}
	row, err := s.DecoderRow(0)
	if err != nil || !near(row, []float32{0.6, 0.8}) {
		t.Errorf("decoder row %v, %v", row, err)
	}
	for _, feature := range []int{-1, 3} {
		if _, err := s.DecoderRow(feature); err == nil {
			t.Errorf("feature %d has a decoder row", feature)
		}
		if _, err := s.EncoderRow(s.device, feature); err == nil {
			t.Errorf("feature %d has an encoder column", feature)
		}
	}
	y, err := s.Decode([]kernels.FeatureValue{{Feature: 0, Value: 5}, {Feature: 2, Value: 1}}, nil)
	if err != nil || !near(y, []float32{3.5, 6}) {
		t.Errorf("decoded %v, %v", y, err)
	}
	if s.Bytes() < 4*12 {
		t.Errorf("%d bytes", s.Bytes())
	}
	s.Close()
	if files.open != 0 {
		t.Errorf("%d files open after Close", files.open)
	}
}

func TestLoadFoldsTheNormFactor(t *testing.T) {
	config := smallConfig(`,"normalize_activations":"expected_average_only_in"`)
	s := mustLoad(t, smallFiles(config, smallArrays()), Row{NormScalingFactor: 2})
	// z = 2·(3, 2) − b_dec = (5.5, 3); pre = (2.5, 12.75, 18.5); norms are halved
	if got := encodeRow(s, 3, 2); !near(got, []float32{6.25, 12.75e-8, 18.5}) {
		t.Errorf("activations %v", got)
	}
	if column, _ := s.EncoderRow(s.device, 0); !near(column, []float32{5, -5}) {
		t.Errorf("encoder column %v", column)
	}
	if y, _ := s.Decode([]kernels.FeatureValue{{Feature: 0, Value: 5}}, nil); !near(y, []float32{3.25, 4.5}) {
		t.Errorf("decoded %v", y)
	}
	if s.Config["normalize_activations"] != normalizeNone {
		t.Errorf("config %v", s.Config)
	}
}

func TestStorageTypes(t *testing.T) {
	arrays := smallArrays()
	arrays["W_enc"] = f32([]int{2, 3}, 1.001, 2, 3, -1, 0.5, 1)
	s, err := loadSmall(t, smallFiles(smallConfig(""), arrays), Row{}, "bfloat16")
	if err != nil {
		t.Fatal(err)
	}
	if s.encoder.W.DType != kernels.BF16 || encodeRow(s, 3, 2)[0] != 7.5 {
		t.Errorf("%v, %v: 1.001 is 1 in bfloat16", s.encoder.W.DType, encodeRow(s, 3, 2))
	}
	arrays["W_enc"] = array{"BF16", []int{2, 3}, []float32{1, 2, 3, -1, 0.5, 1}}
	s = mustLoad(t, smallFiles(smallConfig(""), arrays), Row{})
	if s.encoder.W.DType != kernels.BF16 {
		t.Errorf("a bfloat16 file was widened to %v", s.encoder.W.DType)
	}
	for _, dtype := range []string{"I64", "F64"} {
		arrays["W_enc"] = array{dtype, []int{2, 3}, []float32{1, 2, 3, -1, 0, 1}}
		if got := encodeRow(mustLoad(t, smallFiles(smallConfig(""), arrays), Row{}), 3, 2); !near(got[:1], []float32{7.5}) {
			t.Errorf("%s: %v", dtype, got)
		}
	}
	if _, err := loadSmall(t, smallFiles(smallConfig(""), arrays), Row{}, "int8"); err == nil || !strings.Contains(err.Error(), "SAE_DTYPE") {
		t.Errorf("storage type int8: %v", err)
	}
}

func TestTopKBreaksTiesByIndex(t *testing.T) {
	arrays := map[string]array{
		"W_enc": f32([]int{1, 4}, -1, 1, 1, 1), "b_enc": f32([]int{4}, 0, 0, 0, 0),
		"W_dec": f32([]int{4, 1}, 1, 1, 1, 1), "b_dec": f32([]int{1}, 0),
	}
	config := func(architecture string, k string) string {
		return `{"d_in":1,"d_sae":4,"k":` + k + `,"architecture":"` + architecture + `","metadata":{"sae_lens_version":"6.0.0-rc.0","hook_name":"blocks.0.hook_z"}}`
	}
	s := mustLoad(t, smallFiles(config("topk", "2"), arrays), Row{})
	if got := encodeRow(s, 2); !slices.Equal(got, []float32{0, 2, 2, 0}) || s.Folded {
		t.Errorf("topk %v", got)
	}
	s = mustLoad(t, smallFiles(config("abstopk", "2"), arrays), Row{})
	if got := encodeRow(s, 2); !slices.Equal(got, []float32{-2, 2, 0, 0}) {
		t.Errorf("abstopk %v", got)
	}
	for k, want := range map[string]string{"5": "more than the 4 features", "0": "positive", "1.5": "whole number", `"3"`: "want a number"} {
		if _, err := loadSmall(t, smallFiles(config("topk", k), arrays), Row{}, "float32"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("k = %s: %v", k, err)
		}
	}
}

func TestLoadNamesEveryProblem(t *testing.T) {
	arrays := smallArrays()
	delete(arrays, "b_enc")
	arrays["threshold"] = f32([]int{3}, 1, 1, 1)
	arrays["W_dec"] = f32([]int{2, 3}, 0, 0, 0, 0, 0, 0)
	files := smallFiles(smallConfig(""), arrays)
	_, err := loadSmall(t, files, Row{}, "float32")
	for _, want := range []string{"some/repository", "s/sae_weights.safetensors", "no tensor b_enc", "unexpected tensor threshold", "tensor W_dec is [2 3], want [3 2]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if files.open != 0 {
		t.Errorf("%d files open after a failed load", files.open)
	}
	if _, err := Load(t.Context(), files, Row{Dialect: "riddle"}, LoadOptions{}); err == nil || !strings.Contains(err.Error(), "riddle") {
		t.Errorf("unknown dialect: %v", err)
	}
	if _, err := Paths(Row{Dialect: "riddle"}, files.Has); err == nil {
		t.Error("Paths accepts an unknown dialect")
	}
}

func TestDecoderCosines(t *testing.T) {
	s := mustLoad(t, smallFiles(smallConfig(""), smallArrays()), Row{})
	cosines, err := s.DecoderCosines([]float32{0, 3})
	if err != nil || !near(cosines, []float32{0.8, 0, 1}) {
		t.Errorf("%v, %v", cosines, err)
	}
	if _, err := s.DecoderCosines([]float32{1}); err == nil {
		t.Error("a vector of the wrong width was accepted")
	}
}
