package sae

import (
	"testing"
)

// benchmarkFiles is a standard source of GPT-2's width with 24576 features.
func benchmarkFiles() *memoryFiles {
	const width, features = 768, 24576
	values := make([]float32, width*features)
	for i := range values {
		values[i] = float32(i%97) / 97
	}
	return smallFiles(`{"d_in":768,"d_sae":24576,"hook_name":"blocks.7.hook_resid_pre"}`, map[string]array{
		"W_enc": f32([]int{width, features}, values...), "W_dec": f32([]int{features, width}, values...),
		"b_enc": f32([]int{features}, values[:features]...), "b_dec": f32([]int{width}, values[:width]...),
	})
}

func BenchmarkLoad(b *testing.B) {
	files := benchmarkFiles()
	device := testDevice(b)
	b.SetBytes(int64(len(files.content["s/sae_weights.safetensors"])))
	for b.Loop() {
		source, err := LoadFolder(b.Context(), files, "s", LoadOptions{Device: device, DType: "float32"})
		if err != nil {
			b.Fatal(err)
		}
		source.Close()
	}
}

func BenchmarkDecoderCosines(b *testing.B) {
	source, err := LoadFolder(b.Context(), benchmarkFiles(), "s", LoadOptions{Device: testDevice(b), DType: "float32"})
	if err != nil {
		b.Fatal(err)
	}
	query := make([]float32, source.Width)
	query[3] = 1
	b.SetBytes(int64(len(source.decoder.rows.Data)))
	for b.Loop() {
		if _, err := source.DecoderCosines(query); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecoderRow(b *testing.B) {
	source, err := LoadFolder(b.Context(), benchmarkFiles(), "s", LoadOptions{Device: testDevice(b), DType: "float32"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := source.DecoderRow(777); err != nil {
			b.Fatal(err)
		}
	}
}
