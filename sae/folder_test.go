package sae

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
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

func TestDiscover(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	many := fstest.MapFS{
		"b/cfg.json":       file(`{"metadata":{"neuronpedia_id":"gpt2-small/3-res-x"}}`),
		"a/2-own/cfg.json": file(`{}`),
		"readme.md":        file("nothing"),
	}
	rows, err := Discover(many, "folder")
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	if r := rows[0]; r.Source != "2-own" || r.Set != "own" || r.Path != "a/2-own" || r.NeuronpediaID() != "" {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Source != "3-res-x" || r.Set != "res-x" || r.NeuronpediaID() != "gpt2-small/3-res-x" {
		t.Errorf("%+v", r)
	}
	rows, err = Discover(fstest.MapFS{"cfg.json": file(`{}`)}, "some/where/7-mine/")
	if err != nil || len(rows) != 1 || rows[0].Source != "7-mine" || rows[0].Path != "." {
		t.Errorf("%v, %v", rows, err)
	}
	for want, files := range map[string]fstest.MapFS{
		"no cfg.json":           {"x": file("")},
		"both hold a source":    {"a/1-x/cfg.json": file(`{}`), "b/1-x/cfg.json": file(`{}`)},
		"a/cfg.json: unexpecte": {"a/cfg.json": file(`{`)},
	} {
		if _, err := Discover(files, "folder"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestLoadFolderKeepsTheFilesID(t *testing.T) {
	files := smallFiles(smallConfig(`,"neuronpedia_id":"m/7-att-x"`), smallArrays())
	files.content = map[string][]byte{"cfg.json": files.content["s/cfg.json"], "sae_weights.safetensors": files.content["s/sae_weights.safetensors"]}
	s, err := LoadFolder(t.Context(), files, ".", LoadOptions{Device: testDevice(t), DType: "float32"})
	if err != nil || s.NeuronpediaID != "m/7-att-x" || s.Attribution() {
		t.Errorf("%+v, %v", s, err)
	}
}
