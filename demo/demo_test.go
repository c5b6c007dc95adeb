package demo

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

const maxBytes = 8 << 20 // of the binary

func TestFilesAreCompleteAndSmall(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(Files(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		if strings.HasSuffix(path, ".json") {
			data, err := fs.ReadFile(Files(), path)
			if err != nil || !json.Valid(data) {
				t.Errorf("%s: not JSON (%v)", path, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total > maxBytes {
		t.Errorf("the files hold %d bytes, more than %d", total, maxBytes)
	}
	for _, path := range []string{"model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json"} {
		if _, err := fs.Stat(Files(), path); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryLayerHasASource(t *testing.T) {
	var model struct {
		Layers int `json:"num_hidden_layers"`
		Width  int `json:"hidden_size"`
	}
	decode(t, "config.json", &model)
	if model.Layers == 0 || len(Sources()) != model.Layers {
		t.Fatalf("%d layers, labels for %d sources", model.Layers, len(Sources()))
	}
	for layer, source := range Sources() {
		id := fmt.Sprintf("%d-%s", layer, SourceSet)
		var config struct {
			Width    int `json:"d_in"`
			Features int `json:"d_sae"`
			Metadata struct {
				Hook string `json:"hook_name"`
				ID   string `json:"neuronpedia_id"`
			} `json:"metadata"`
		}
		decode(t, "sae/"+id+"/cfg.json", &config)
		if source.Source != id || config.Metadata.ID != Name+"/"+id {
			t.Errorf("layer %d: labels of %q, neuronpedia id %q", layer, source.Source, config.Metadata.ID)
		}
		if want := fmt.Sprintf("blocks.%d.hook_resid_post", layer); config.Metadata.Hook != want {
			t.Errorf("%s: hook %q, want %q", id, config.Metadata.Hook, want)
		}
		if config.Width != model.Width || config.Features != len(source.Features) {
			t.Errorf("%s: d_in %d, d_sae %d; the model is %d wide and %d features are labelled", id, config.Width,
				config.Features, model.Width, len(source.Features))
		}
		if _, err := fs.Stat(Files(), "sae/"+id+"/sae_weights.safetensors"); err != nil {
			t.Error(err)
		}
	}
}

func TestLabel(t *testing.T) {
	labelled := 0
	for _, source := range Sources() {
		for index, feature := range source.Features {
			got := Label(source.Source, index)
			if feature.Label != "" && got != feature.Label {
				t.Errorf("%s/%d: %q, want %q", source.Source, index, got, feature.Label)
			}
			if len(feature.Tokens) > 0 && got == "" {
				t.Errorf("%s/%d fires on %q and has no description", source.Source, index, feature.Tokens)
			}
			if feature.Label != "" {
				labelled++
			}
		}
	}
	if labelled == 0 {
		t.Error("no feature has a label")
	}
	if got := Label("0-"+SourceSet, -1) + Label("0-"+SourceSet, 1<<30) + Label("9-other", 0); got != "" {
		t.Errorf("unknown features are called %q", got)
	}
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	data, err := fs.ReadFile(Files(), path)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
