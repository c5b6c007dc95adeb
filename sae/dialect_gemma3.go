package sae

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

func isCrossLayer(row Row) bool { return strings.Contains(row.Path, "clt") }

func gemma3Weights(row Row) string {
	if isCrossLayer(row) {
		return row.Path + ".safetensors"
	}
	return path.Join(row.Path, "params.safetensors")
}

func gemma3Files(row Row, has func(string) bool) []string {
	list := []string{gemma3Weights(row)}
	if config := path.Join(row.Path, "config.json"); has(config) {
		list = append([]string{config}, list...)
	}
	return list
}

// gemma3Site says where a Gemma Scope 2 source reads and, for transcoders, predicts. hf
// names the same places in Hugging Face's words.
type gemma3Site struct {
	inPath, hook, hookOut, hf, hfOut string
}

// gemma3Sites is ordered: the first entry whose word occurs in the path counts.
var gemma3Sites = []gemma3Site{
	{"resid_post", "hook_resid_post", "", "output", ""},
	{"attn_out", "attn.hook_z", "", "self_attn.o_proj.input", ""},
	{"mlp_out", "hook_mlp_out", "", "post_feedforward_layernorm.output", ""},
	{"transcoder", "hook_mlp_in", "hook_mlp_out", "pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"},
	{"clt", "hook_mlp_in", "hook_mlp_out", "pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"},
}

// gemma3Config is everything that follows from the repository id and the path.
func gemma3Config(row Row) (map[string]any, error) {
	layer, err := numberIn(row.Path, layerInPath, "layer")
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(gemma3Sites, func(s gemma3Site) bool { return strings.Contains(row.Path, s.inPath) })
	if at < 0 {
		return nil, fmt.Errorf("path %s does not tell where the source reads the model (want resid_post, attn_out, mlp_out, transcoder or clt)", row.Path)
	}
	site := gemma3Sites[at]
	model := strings.Replace(row.Repo, "gemma-scope-2", "gemma-3", 1)
	config := inferred(model, fmt.Sprintf("blocks.%d.%s", layer, site.hook), map[string]any{
		"architecture": "jumprelu", "reshape_activations": "none", "context_size": 1024.0, "dataset_path": pile,
		"hf_hook_name": fmt.Sprintf("model.layers.%d.%s", layer, site.hf),
	})
	if site.hookOut != "" {
		config["architecture"] = "jumprelu_transcoder"
		config["hook_name_out"] = fmt.Sprintf("blocks.%d.%s", layer, site.hookOut)
		config["hf_hook_name_out"] = fmt.Sprintf("model.layers.%d.%s", layer, site.hfOut)
		if strings.Contains(row.Path, "affine") {
			config["architecture"] = "jumprelu_skip_transcoder"
		}
	}
	return config, nil
}

// applyGemma3File lets config.json correct what was inferred.
func applyGemma3File(config map[string]any, file *options) error {
	if architecture := file.text("architecture"); file.err == nil && architecture != "jump_relu" {
		file.fail("architecture", "is %s, want jump_relu", architecture)
	}
	config["model_name"] = file.text("model_name")
	if _, transcodes := config["hook_name_out"]; transcodes {
		config["architecture"] = "jumprelu_transcoder"
		if affine, _ := file.get("affine_connection"); affine == true {
			config["architecture"] = "jumprelu_skip_transcoder"
		}
		if hook, found := file.get("hf_hook_point_out"); found {
			config["hf_hook_name_out"] = hook
		}
	}
	if hook, found := file.get("hf_hook_point_in"); found {
		config["hf_hook_name"] = hook
	}
	return file.err
}

// gemma3Model spells a model's name as Hugging Face does.
func gemma3Model(name string) string {
	if !strings.Contains(name, "google") {
		name = "google/" + name
	}
	name = strings.Replace(name, "-v3", "-3", 1)
	if strings.Contains(name, "270m") {
		name = strings.Replace(name, "-pt", "", 1)
	}
	return name
}

// readGemma3 reads a source of Gemma Scope 2.
func readGemma3(r *repository, row Row) (*draft, error) {
	config, err := gemma3Config(row)
	if err != nil {
		return nil, err
	}
	where := row.Repo
	if name := path.Join(row.Path, "config.json"); r.files.Has(name) {
		file, err := r.json(name)
		if err != nil {
			return nil, err
		}
		if err := applyGemma3File(config, file); err != nil {
			return nil, err
		}
		where = file.where
	}
	config["model_name"] = gemma3Model(config["model_name"].(string))
	t, err := r.safetensors(gemma3Weights(row))
	if err != nil {
		return nil, err
	}
	d := newDraft(t, where, maps.Clone(config))
	for as, name := range map[string]string{
		"W_enc": "w_enc", "W_dec": "w_dec", "b_enc": "b_enc", "b_dec": "b_dec", "threshold": "threshold",
		"W_skip": "^affine_skip_connection",
	} {
		d.take(t, as, name)
	}
	if decoder := d.parameters["W_dec"]; isCrossLayer(row) && len(decoder.Shape) == 3 {
		d.parameters["W_dec"] = summed(decoder.Tensor)
	}
	d.measure()
	return d, nil
}
