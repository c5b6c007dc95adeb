package weights

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// memoryFiles is a repository in memory; it counts the files that are open.
type memoryFiles struct {
	content map[string][]byte
	open    int
}

func (m *memoryFiles) Has(path string) bool { return m.content[path] != nil }

func (m *memoryFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	data, ok := m.content[path]
	if !ok {
		return nil, nil, errors.New("no such file")
	}
	m.open++
	released := false
	return data, func() {
		if !released {
			m.open--
		}
		released = true
	}, nil
}

func oneTensor(name string) []byte {
	return rawSafetensors(`{`+entry(name, "F32", 0, 4, 1)+`}`, make([]byte, 4))
}

func index(pairs ...string) []byte {
	return []byte(`{"metadata":{"total_size":8},"weight_map":{` + strings.Join(pairs, ",") + `}}`)
}

func TestOpenStore(t *testing.T) {
	for _, c := range []struct {
		what    string
		content map[string][]byte
		names   []string // nil: an error with want
		want    string
	}{
		{"single", map[string][]byte{"model.safetensors": oneTensor("a"), "model.safetensors.index.json": index()}, []string{"a"}, ""},
		{"shards", map[string][]byte{"model.safetensors.index.json": index(`"a":"x.safetensors"`, `"b":"y.safetensors"`),
			"x.safetensors": oneTensor("a"), "y.safetensors": oneTensor("b")}, []string{"a", "b"}, ""},
		{"more than the index says", map[string][]byte{"model.safetensors.index.json": index(`"a":"x.safetensors"`),
			"x.safetensors": rawSafetensors(`{`+entry("a", "F32", 0, 4, 1)+`,`+entry("c", "F32", 4, 8, 1)+`}`, make([]byte, 8))}, []string{"a", "c"}, ""},
		{"torch only", map[string][]byte{"pytorch_model.bin": {1}}, nil, "pytorch_model.bin, which is not supported; convert"},
		{"nothing", map[string][]byte{"README.md": {1}}, nil, "neither"},
		{"not JSON", map[string][]byte{"model.safetensors.index.json": []byte("{")}, nil, "index.json"},
		{"empty index", map[string][]byte{"model.safetensors.index.json": index()}, nil, "names no tensor"},
		{"way out", map[string][]byte{"model.safetensors.index.json": index(`"a":"../x.safetensors"`)}, nil, "not a file of the repository"},
		{"absolute", map[string][]byte{"model.safetensors.index.json": index(`"a":"/x.safetensors"`)}, nil, "not a file of the repository"},
		{"missing shard", map[string][]byte{"model.safetensors.index.json": index(`"a":"x.safetensors"`)}, nil, "read x.safetensors"},
		{"wrong shard", map[string][]byte{"model.safetensors.index.json": index(`"a":"x.safetensors"`, `"b":"x.safetensors"`),
			"x.safetensors": oneTensor("a")}, nil, "b (x.safetensors)"},
		{"in two shards", map[string][]byte{"model.safetensors.index.json": index(`"a":"x.safetensors"`, `"b":"y.safetensors"`),
			"x.safetensors": oneTensor("a"), "y.safetensors": oneTensor("a")}, nil, "in both"},
		{"damaged", map[string][]byte{"model.safetensors": oneTensor("a")[:20]}, nil, "model.safetensors: safetensors"},
	} {
		files := &memoryFiles{content: c.content}
		store, err := OpenStore(context.Background(), files)
		if c.names == nil {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want one with %q", c.what, err, c.want)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.what, err)
		} else {
			for _, name := range c.names {
				if !store.Has(name) {
					t.Errorf("%s: no tensor %s", c.what, name)
				}
			}
			store.Close()
		}
		if files.open != 0 {
			t.Errorf("%s: %d files are still open", c.what, files.open)
		}
	}
}

func TestBindingNamesEverything(t *testing.T) {
	header := `{` + strings.Join([]string{
		entry("model.a.weight", "F32", 0, 8, 2),
		entry("model.b.weight", "F32", 8, 12, 1),
		entry("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", 12, 16, 1),
		entry("model.h.3.attn.masked_bias", "F32", 16, 20),
		entry("vision_tower.x", "F32", 20, 24, 1),
		entry("model.stray", "F32", 24, 28, 1),
		entry("model.h.3.attn.c_attn.bias", "F32", 28, 32, 1),
		entry("copy", "F32", 32, 36, 1),
	}, ",") + `}`
	files := &memoryFiles{content: map[string][]byte{"model.safetensors": rawSafetensors(header, make([]byte, 36))}}
	store, err := OpenStore(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	binding := store.Bind("vision_tower.")
	if prefix := binding.Prefix("a.weight", "transformer.", "model.", ""); prefix != "model." {
		t.Errorf("prefix %q", prefix)
	}
	if prefix := binding.Prefix("nothing", "transformer.", ""); prefix != "transformer." {
		t.Errorf("prefix of nothing %q", prefix)
	}
	if tensor, ok := binding.Take("model.a.weight", 2); !ok || tensor.Elements() != 2 {
		t.Errorf("took %+v, %v", tensor, ok)
	}
	binding.Take("model.b.weight", 3)
	binding.Take("model.c.weight", 1)
	binding.Ignore("copy")
	err = binding.Finish()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"1 missing: model.c.weight", "model.b.weight is [1], want [3]",
		"2 unused: model.h.3.attn.c_attn.bias, model.stray"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	for _, harmless := range []string{"inv_freq", "masked_bias", "vision_tower", "copy"} {
		if strings.Contains(err.Error(), harmless) {
			t.Errorf("error %q names %s", err, harmless)
		}
	}
}
