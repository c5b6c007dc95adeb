package sae

import (
	"slices"
	"testing"
)

func TestNeurons(t *testing.T) {
	s := Neurons(testDevice(t), 3, 5)
	if got := encodeRow(s, -1, 0, 2); !slices.Equal(got, []float32{-1, 0, 2}) || s.HookName != "blocks.5.mlp.hook_post" {
		t.Errorf("%v at %s", got, s.HookName)
	}
	if _, err := s.DecoderRow(0); err == nil {
		t.Error("neurons have a decoder")
	}
	if _, err := s.EncoderRow(s.device, 0); err == nil {
		t.Error("neurons have an encoder")
	}
	if _, err := s.DecoderCosines([]float32{1, 2, 3}); err == nil {
		t.Error("neurons have decoder cosines")
	}
	s.Close()
}

func TestLoadFolderKeepsTheFilesID(t *testing.T) {
	files := smallFiles(smallConfig(`,"neuronpedia_id":"m/7-att-x"`), smallArrays())
	files.content = map[string][]byte{"cfg.json": files.content["s/cfg.json"], "sae_weights.safetensors": files.content["s/sae_weights.safetensors"]}
	s, err := LoadFolder(t.Context(), files, ".", LoadOptions{Device: testDevice(t), DType: "float32"})
	if err != nil || s.NeuronpediaID != "m/7-att-x" || s.Attribution() {
		t.Errorf("%+v, %v", s, err)
	}
}
