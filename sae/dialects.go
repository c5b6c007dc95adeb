package sae

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// dialect is one way in which sources are published (sae.md §6).
type dialect struct {
	// files lists what read will ask for; has tells which optional files exist.
	files func(row Row, has func(path string) bool) []string
	read  func(r *repository, row Row) (*draft, error)
}

// dialects is the table of file dialects, by the name the registry uses.
var dialects = map[string]dialect{
	"sae_lens":                   {nativeFiles, readNative},
	"gemma_2":                    {inFolder("params.npz"), readGemma2},
	"gemma_2_transcoder":         {inFolder("params.npz"), readGemma2Transcoder},
	"gemma_3":                    {gemma3Files, readGemma3},
	"dictionary_learning_1":      {inFolder("config.json", "ae.pt"), readDictionaryLearning},
	"connor_rob_hook_z":          {connorRobFiles, readConnorRob},
	"llama_scope":                {inFolder("hyperparams.json", "checkpoints/final.safetensors"), readLlamaScope},
	"llama_scope_r1_distill":     {inFolder("config.json", "sae_weights.safetensors"), readLlamaScopeR1},
	"mwhanna_transcoder":         {mwhannaFiles, readMwhanna},
	"mntss_clt_layer_transcoder": {mntssFiles, readMntss},
	"qwen_scope":                 {onlyPath, readQwenScope},
	"deepseek_r1":                {onlyPath, readDeepSeek},
	"goodfire":                   {onlyPath, readGoodfire},
	"temporal":                   {inFolder("conf.yaml", "latest_ckpt.safetensors"), readTemporal},
	"sparsify":                   {inFolder("cfg.json", "sae.safetensors"), readSparsify},
}

func findDialect(row Row) (dialect, error) {
	found, known := dialects[row.Dialect]
	if !known {
		return found, fmt.Errorf("%s/%s: file dialect %q is not supported; supported are %s",
			row.Repo, row.Path, row.Dialect, strings.Join(slices.Sorted(maps.Keys(dialects)), ", "))
	}
	return found, nil
}

func paths(row Row, has func(path string) bool) ([]string, error) {
	found, err := findDialect(row)
	if err != nil {
		return nil, err
	}
	return found.files(row, has), nil
}

func onlyPath(row Row, _ func(string) bool) []string { return []string{row.Path} }

// inFolder lists files below the row's path.
func inFolder(names ...string) func(Row, func(string) bool) []string {
	return func(row Row, _ func(string) bool) []string {
		var list []string
		for _, name := range names {
			list = append(list, path.Join(row.Path, name))
		}
		return list
	}
}

// inferred are entries that nearly every dialect sets without reading them anywhere.
func inferred(model, hook string, special map[string]any) map[string]any {
	config := map[string]any{
		"architecture": "standard", "model_name": model, "hook_name": hook, "hook_head_index": nil, "prepend_bos": true,
		"apply_b_dec_to_input": false, "normalize_activations": normalizeNone,
	}
	maps.Copy(config, special)
	return config
}

// Data sets that dialects record.
const (
	pile       = "monology/pile-uncopyrighted"
	openWeb    = "Skylion007/openwebtext"
	slimPajama = "cerebras/SlimPajama-627B"
)
