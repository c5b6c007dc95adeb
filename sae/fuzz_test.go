package sae

import (
	"strings"
	"testing"

	"npinf/kernels"
)

// FuzzLoad feeds damaged configurations and weights to every dialect: an error, never a panic.
func FuzzLoad(f *testing.F) {
	weightFile := safetensorsFile(smallArrays())
	f.Add([]byte(smallConfig(`,"architecture":"jumprelu"`)), weightFile)
	f.Add([]byte(smallConfig(`,"architecture":"temporal","n_heads":1,"bottleneck_factor":1`)), weightFile)
	f.Add([]byte(`{"trainer":{"dict_class":"BatchTopKSAE","activation_dim":2,"dict_size":1e30,"layer":1,"lm_name":"x"}}`), []byte("PK"))
	f.Add([]byte(`{"d_model":2,"d_sae":99999999,"jump_relu_threshold":1,"hook_point_in":"h_z"}`), weightFile)
	f.Add([]byte("llm: {dimin: 2}\nsae: {exp_factor: 2, tied_weights: true}\n"), weightFile)
	device, err := kernels.NewCPU(kernels.CPUOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, config, weightFile []byte) {
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
					all.content[path] = config
				}
			}
			source, err := Load(t.Context(), all, row, LoadOptions{Device: device, DType: "float32"})
			if err != nil {
				continue
			}
			x := device.Upload(2, source.Width, make([]float32, 2*source.Width))
			encodeDense(source, device, x)
			source.Close()
		}
	})
}
