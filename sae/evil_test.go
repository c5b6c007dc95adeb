package sae

import (
	"runtime"
	"strings"
	"testing"
)

// TestEvilConfigurations are configurations whose numbers ask for more than the weights
// beside them hold: each is an error and takes little memory.
func TestEvilConfigurations(t *testing.T) {
	weightFile := safetensorsFile(smallArrays())
	device := testDevice(t)
	yaml := "llm: &a {dimin: 2, x: [" + strings.Repeat("1,", 50) + "1]}\n"
	for range 8 {
		yaml += "y: [*a, *a, *a, *a, *a, *a, *a, *a]\n"
	}
	for _, config := range []string{
		smallConfig(`,"architecture":"topk","k":1e18`),
		smallConfig(`,"architecture":"temporal","n_heads":1,"bottleneck_factor":1,"n_attn_layers":1099511627776`),
		`{"architecture":"standard","d_in":1099511627776,"d_sae":1099511627776,"hook_name":"blocks.0.hook_resid_post"}`,
		`{"d_model":2,"d_sae":99999999999,"jump_relu_threshold":1,"hook_point_in":"blocks.0.hook_z","dataset_average_activation_norm":{"in":0}}`,
		`{"d_in":1e9,"num_latents":1e12,"k":1e12}`,
		`{"d_model":1e9,"expansion_factor":1e9,"hook_point_in":"blocks.0.hook_resid_post"}`,
		`{"trainer":{"dict_class":"AutoEncoderTopK","activation_dim":1e12,"dict_size":1e12,"layer":1,"lm_name":"x","k":1e12}}`,
		strings.Repeat(`{"metadata":`, 5000),
		yaml,
	} {
		for name := range dialects {
			row := Row{Dialect: name, Repo: "google/gemma-scope-2b-pt-res", Path: "layer_0"}
			all := &memoryFiles{content: map[string][]byte{}}
			list, err := Paths(row, func(string) bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range list {
				all.content[path] = weightFile
				if strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".yaml") {
					all.content[path] = []byte(config)
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			source, err := Load(t.Context(), all, row, LoadOptions{Device: device, DType: "float32"})
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20+300*uint64(len(config)+len(weightFile)) {
				t.Errorf("%s, %.60s: %d bytes of memory", name, config, took)
			}
			if err == nil {
				source.Close()
			} else if len(err.Error()) > 2000 {
				t.Errorf("%s, %.60s: an error of %d characters", name, config, len(err.Error()))
			}
		}
	}
}
