package model

import (
	"context"
	"runtime"
	"testing"
)

// planMost bounds what a plan may allocate, whatever numbers config.json holds: a
// description has a few hundred bytes for every matrix, and the limits of the counts leave
// room for some hundred thousand of those.
const planMost = 256 << 20

// planWithin plans a model whose only files are config.json and the index.
func planWithin(t *testing.T, config, index []byte) {
	t.Helper()
	files := memoryFiles{"config.json": config, "generation_config.json": config}
	if len(index) > 0 {
		files["model.safetensors.index.json"] = index
	} else {
		files["model.safetensors"] = []byte{}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	estimate, err := Plan(context.Background(), files)
	if err == nil && (estimate.WeightBytes < 0 || len(estimate.Files) == 0) {
		t.Errorf("%q: estimate %+v", config, estimate)
	}
	runtime.ReadMemStats(&after)
	if got, most := after.TotalAlloc-before.TotalAlloc, uint64(planMost+100*(len(config)+len(index))); got > most {
		t.Errorf("%q took %d bytes of memory", config, got)
	}
}

// FuzzPlan feeds damaged configurations to every family: an error, never a panic.
func FuzzPlan(f *testing.F) {
	for _, config := range append([]string{smallHybrid}, smallConfigs...) {
		f.Add([]byte(config), []byte{}, uint8(0))
	}
	f.Add([]byte(`{"model_type":"gpt_oss","quantization_config":{"quant_method":"mxfp4"},"text_config":{"hidden_size":1}}`),
		[]byte(`{"weight_map":{"a":"b.safetensors"}}`), uint8(9))
	f.Fuzz(func(t *testing.T, config, index []byte, family uint8) {
		planWithin(t, config, index)
		c, err := parseConfig("config.json", config)
		if err != nil {
			return
		}
		families[int(family)%len(families)].describe(textConfig(c))
	})
}

// TestEvilConfigurations are small files whose numbers ask for much.
func TestEvilConfigurations(t *testing.T) {
	for _, config := range []string{
		`{"model_type":"mixtral","hidden_size":16777216,"intermediate_size":16777216,"num_hidden_layers":512,"num_attention_heads":1,"vocab_size":16777216,"num_local_experts":1024}`,
		`{"model_type":"qwen3_moe","hidden_size":64,"intermediate_size":64,"num_hidden_layers":512,"num_attention_heads":1,"vocab_size":64,"num_experts":1024}`,
		`{"model_type":"llama","hidden_size":64,"intermediate_size":64,"num_hidden_layers":1e300,"num_attention_heads":1,"vocab_size":64}`,
		`{"model_type":"llama","hidden_size":64,"intermediate_size":64,"num_hidden_layers":512,"num_attention_heads":16777216,"vocab_size":64,"max_position_embeddings":16777216}`,
	} {
		planWithin(t, []byte(config), nil)
	}
}
