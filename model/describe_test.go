package model

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func describeText(text string) (*architecture, error) {
	c, err := parseConfig("config.json", []byte(text))
	if err != nil {
		return nil, err
	}
	return describe(c)
}

// with adds keys to a configuration text.
func with(text, keys string) string { return strings.TrimSuffix(text, "}") + "," + keys + "}" }

func TestDescribeRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`[]`, "config.json"},
		{`{}`, `model_type "" is not supported; supported: cohere, `},
		{`{"model_type":"mamba"}`, `model_type "mamba" is not supported; supported: cohere, `},
		{`{"model_type":7}`, "model_type is 7, want a string"},
		{`{"model_type":"llama"}`, "hidden_size is missing"},
		{with(smallLlama, `"hidden_act":"mish"`), `hidden_act = "mish" is not supported; supported: gelu, `},
		{with(smallLlama, `"rope_scaling":{"type":"dynamic","factor":2}`), `config.json rope_scaling: rope_type = "dynamic" is not supported`},
		{with(smallLlama, `"rope_scaling":{"type":"linear"}`), "factor is missing"},
		{with(smallLlama, `"rope_scaling":{"rope_type":"longrope","short_factor":[1],"long_factor":[1,1]}`), "short_factor has 1 entries, want 2"},
		{with(smallLlama, `"rope_theta":0`), "rope_theta is 0, want a positive number"},
		{with(smallLlama, `"partial_rotary_factor":3`), "partial_rotary_factor 3"},
		{with(smallLlama, `"num_hidden_layers":99999999`), "num_hidden_layers is 9.9999999e+07, want an integer from 1 to 512"},
		{with(smallLlama, `"num_hidden_layers":2.5`), "num_hidden_layers is 2.5"},
		{with(smallLlama, `"vocab_size":-1`), "vocab_size is -1"},
		{with(smallLlama, `"num_key_value_heads":3`), "4 attention heads cannot share 3"},
		{with(smallLlama, `"attention_bias":"yes"`), `attention_bias is "yes", want true or false`},
		{with(smallLlama, `"quantization_config":{"quant_method":"gptq"}`), `config.json quantization_config: quant_method = "gptq" is not supported`},
		{with(smallGemma, `"layer_types":["full_attention"]`), "layer_types has 1 entries for 3 layers"},
		{with(smallGemma, `"layer_types":["full_attention","chunked","full_attention"]`), `layer_types: "chunked" is not supported`},
		{`{"model_type":"gemma3","text_config":{"model_type":"gemma3n_text"}}`, `model_type "gemma3n_text" inside a gemma3 wrapper`},
		{`{"model_type":"gemma3_text","use_bidirectional_attention":true}`, "use_bidirectional_attention = true is not supported"},
		{`{"model_type":"falcon","alibi":true}`, "alibi = true is not supported"},
		{`{"model_type":"gpt_neo","attention_types":[[["global","strided"],12]]}`, "strided is not supported"},
		{`{"model_type":"gpt_neo","attention_types":[["global",12]]}`, "want [kinds, repeats]"},
	} {
		_, err := describeText(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n\terror %v\n\twant one with %q", c.text, err, c.want)
		}
	}
}

// TestDescribeNeverPanics puts odd values under every key that any family reads.
func TestDescribeNeverPanics(t *testing.T) {
	odd := []string{`null`, `0`, `-1`, `1`, `7`, `1.5`, `1e300`, `4096`, `true`, `"x"`, `[0]`, `{"a":1}`}
	keys := readKeys(t)
	if len(keys) < 80 {
		t.Fatalf("found only %d keys: %v", len(keys), keys)
	}
	for _, name := range supportedTypes() {
		base := `{"model_type":"` + name + `","hidden_size":64,"intermediate_size":32,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,
			"vocab_size":50,"head_dim":16,"num_experts":2,"moe_intermediate_size":4,"top_k_experts":1}`
		for _, key := range keys {
			for _, value := range odd {
				describeText(with(base, `"`+key+`":`+value))
			}
		}
	}
	for _, kind := range []string{"linear", "llama3", "yarn", "longrope", "proportional"} {
		for _, key := range keys {
			for _, value := range odd {
				describeText(with(smallLlama, `"rope_scaling":{"rope_type":"`+kind+`","factor":2,"`+key+`":`+value+`}`))
			}
		}
	}
}

// readKeys finds the keys of config.json in this package's own source.
func readKeys(t *testing.T) []string {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(`\.(?:count|optionalCount|layerCount|expertCount|number|optionalNumber|positive|flag|text|strings|numbers|object|activation|requireFalse|rotary|decode)\("(\w+)"`)
	var keys []string
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
			keys = append(keys, match[1])
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// TestDescribeNamesEveryProblem has three mistakes in one file.
func TestDescribeNamesEveryProblem(t *testing.T) {
	_, err := describeText(`{"model_type":"llama","hidden_size":"wide","num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":8,"hidden_act":"mish"}`)
	for _, want := range []string{`hidden_size is "wide"`, "vocab_size is missing", `hidden_act = "mish"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

// TestSpellings reads old and new spellings of the same settings.
func TestSpellings(t *testing.T) {
	base := `{"model_type":"gemma3_text","hidden_size":16,"num_hidden_layers":4,"head_dim":8,"vocab_size":40`
	layers := `,"layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"]`
	old := base + layers + `,"rope_theta":5000,"rope_local_base_freq":70,"rope_scaling":{"rope_type":"linear","factor":4}}`
	pattern := base + `,"sliding_window_pattern":2,"rope_theta":5000,"rope_local_base_freq":70,"rope_scaling":{"type":"linear","factor":4}}`
	modern := base + layers + `,"rope_parameters":{"full_attention":{"rope_type":"linear","factor":4,"rope_theta":5000},"sliding_attention":{"rope_type":"default","rope_theta":70}}}`
	var want [][]float32
	for i, text := range []string{old, pattern, modern} {
		a, err := describeText(text)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]float32
		for layer := range a.blocks {
			got = append(got, a.blocks[layer].attention.rotary.frequencies)
			if window := a.blocks[layer].attention.window; (window == 4096) != (layer%2 == 0) {
				t.Errorf("spelling %d: layer %d has window %d", i, layer, window)
			}
		}
		if i == 0 {
			want = got
		}
		if !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("spelling %d: frequencies %v, want %v", i, got, want)
		}
	}
	if full := want[1]; !(math.Abs(float64(full[0])-0.25) < 1e-7) || want[0][0] != 1 {
		t.Errorf("frequencies %v", want)
	}
}

// TestNullSwitchesOff reads null where it means something else than an absent key.
func TestNullSwitchesOff(t *testing.T) {
	for _, c := range []struct {
		text                 string
		window               int
		softcap, finalLimits float32
	}{
		{smallGemma, 4, 50, 30},
		{with(smallGemma, `"attn_logit_softcapping":null,"final_logit_softcapping":null`), 4, 0, 0},
		{strings.Replace(smallGemma, `"sliding_window":4`, `"sliding_window":null`, 1), 0, 50, 30},
	} {
		a, err := describeText(c.text)
		if err != nil {
			t.Fatal(err)
		}
		first := a.blocks[0].attention
		if first.window != c.window || first.softcap != c.softcap || a.head.softcap != c.finalLimits {
			t.Errorf("window %d, caps %g and %g; want %d, %g, %g", first.window, first.softcap, a.head.softcap, c.window, c.softcap, c.finalLimits)
		}
	}
	mistral := strings.Replace(smallLlama, `"llama"`, `"mistral"`, 1)
	for text, want := range map[string]int{mistral: 4096, with(mistral, `"sliding_window":null`): 0, with(mistral, `"sliding_window":9`): 9} {
		a, err := describeText(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.blocks[2].attention.window; got != want {
			t.Errorf("window %d, want %d", got, want)
		}
	}
}

// TestEveryFamilyHasDefaults describes each type of the table from its dimensions alone.
func TestEveryFamilyHasDefaults(t *testing.T) {
	for _, name := range supportedTypes() {
		a, err := describeText(`{"model_type":"` + name + `","hidden_size":512,"n_embd":512,"intermediate_size":32,"num_hidden_layers":2,"n_layer":2,
			"num_layers":2,"num_attention_heads":32,"n_head":32,"num_heads":32,"vocab_size":50,"rotary_dim":4,"word_embed_proj_dim":512,"attention_types":[[["global","local"],1]]}`)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(a.blocks) != 2 || a.width != 512 {
			t.Errorf("%s: %d blocks of width %d", name, len(a.blocks), a.width)
		}
	}
}

func TestStopIDs(t *testing.T) {
	device := cpu(t)
	files := smallModel(t, smallLlama)
	for _, c := range []struct {
		generation string
		want       []int
	}{
		{"", []int{3, 4}},
		{`{"eos_token_id":4}`, []int{4, 3}},
		{`{"eos_token_id":[9,3]}`, []int{9, 3, 4}},
		{`{"eos_token_id":null}`, []int{3, 4}},
	} {
		delete(files, "generation_config.json")
		if c.generation != "" {
			files["generation_config.json"] = []byte(c.generation)
		}
		m, err := Load(context.Background(), files, Options{Device: device})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Info().StopIDs; !slices.Equal(got, c.want) {
			t.Errorf("%s: stop ids %v, want %v", c.generation, got, c.want)
		}
		m.Close()
	}
	files["generation_config.json"] = []byte(`{"eos_token_id":"end"}`)
	if _, err := Load(context.Background(), files, Options{Device: device}); err == nil || !strings.Contains(err.Error(), "generation_config.json: eos_token_id") {
		t.Errorf("error %v", err)
	}
}

func TestPlanAndInfo(t *testing.T) {
	files := smallModel(t, smallLlama)
	estimate, err := Plan(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"config.json", "model.safetensors"}; !slices.Equal(estimate.Files, want) || estimate.Family != "llama" {
		t.Errorf("estimate %+v", estimate)
	}
	info := loadSmall(t, smallLlama, cpu(t)).Info()
	if norms := int64(7 * 16 * 4); estimate.WeightBytes != info.WeightBytes-norms || info.ParameterCount*4 != info.WeightBytes {
		t.Errorf("planned %d bytes, loaded %d with %d parameters", estimate.WeightBytes, info.WeightBytes, info.ParameterCount)
	}
	if info.Layers != 3 || info.Width != 16 || info.Heads != 4 || info.KVHeads != 2 || info.HeadDim != 4 || info.MLPWidth != 24 ||
		info.Vocabulary != 40 || info.StoredDType != "float32" || info.RMSEpsilon != 1e-6 {
		t.Errorf("info %+v", info)
	}
	delete(files, "model.safetensors")
	files["pytorch_model.bin"] = []byte{1}
	if _, err := Plan(context.Background(), files); err == nil || !strings.Contains(err.Error(), "pytorch_model.bin") {
		t.Errorf("error %v", err)
	}
}

func TestLoadNamesEveryTensor(t *testing.T) {
	device := cpu(t)
	files := smallModel(t, smallLlama)
	files["config.json"] = []byte(strings.Replace(with(smallLlama, `"attention_bias":true,"tie_word_embeddings":true`), `"intermediate_size":24`, `"intermediate_size":25`, 1))
	_, err := Load(context.Background(), files, Options{Device: device})
	for _, want := range []string{"12 missing: ", "model.layers.2.self_attn.o_proj.bias", "9 of the wrong shape: ", "model.layers.0.mlp.gate_proj.weight is [24 16], want [25 16]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
	if _, err := Load(context.Background(), smallModel(t, smallLlama), Options{Device: device, DType: "int8"}); err == nil || !strings.Contains(err.Error(), `dtype "int8"`) {
		t.Errorf("error %v", err)
	}
	if _, err := Load(context.Background(), memoryFiles{}, Options{Device: device}); err == nil || !strings.Contains(err.Error(), "no config.json") {
		t.Errorf("error %v", err)
	}
}

// TestStorageTypes loads one checkpoint in every storage type: the narrower ones are near.
func TestStorageTypes(t *testing.T) {
	device := cpu(t)
	files := smallModel(t, smallLlama)
	var want []float32
	for _, c := range []struct {
		dtype     string
		tolerance float64
	}{{"auto", 0}, {"float32", 0}, {"float16", 5e-3}, {"bfloat16", 5e-2}} {
		m, err := Load(context.Background(), files, Options{Device: device, DType: c.dtype, Borrow: true})
		if err != nil {
			t.Fatal(err)
		}
		s := &Sequence{Tokens: somePrompt, Want: LastLogits}
		mustForward(t, m, s)
		got := valuesOf(device, s.Logits)
		if want == nil {
			want = got
		}
		if distance := rowError(got, want, 0); !(distance <= c.tolerance) || c.tolerance > 0 && distance == 0 {
			t.Errorf("%s: logits differ by %g, want at most %g", c.dtype, distance, c.tolerance)
		}
		m.Close()
		m.Close() // closing twice is harmless
	}
}
