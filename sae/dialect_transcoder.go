package sae

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"npinf/weights"
)

// Names of the configuration of mwhanna's transcoders; the second is a slip of some repositories.
var mwhannaConfigs = []string{"wandb-config.yaml", "wanb-config.yaml"}

func mwhannaConfig(has func(string) bool) string {
	if !has(mwhannaConfigs[0]) && has(mwhannaConfigs[1]) {
		return mwhannaConfigs[1]
	}
	return mwhannaConfigs[0]
}

func mwhannaFiles(row Row, has func(string) bool) []string {
	list := []string{mwhannaConfig(has)}
	if has("config.yaml") {
		list = append(list, "config.yaml")
	}
	return append(list, row.Path)
}

var (
	mwhannaLayer = regexp.MustCompile(`layer_(\d+)\.safetensors$`)
	qwen3Size    = regexp.MustCompile(`(?i)qwen3-([\d.]+)b`)
)

// mwhannaModel names the model by config.yaml if there is one, else by the repository id.
func mwhannaModel(r *repository, row Row) (string, error) {
	if r.files.Has("config.yaml") {
		file, err := r.yaml("config.yaml")
		if err != nil {
			return "", err
		}
		if file.has("model_name") {
			return file.text("model_name"), file.err
		}
	}
	match := qwen3Size.FindStringSubmatch(row.Repo)
	if match == nil {
		return "", fmt.Errorf("repository %s has no config.yaml and does not name a qwen3-<size>b model", row.Repo)
	}
	return "Qwen/Qwen3-" + match[1] + "B", nil
}

// readMwhanna reads one layer of a transcoder set for Qwen3.
func readMwhanna(r *repository, row Row) (*draft, error) {
	file, err := r.yaml(mwhannaConfig(r.files.Has))
	if err != nil {
		return nil, err
	}
	model, err := mwhannaModel(r, row)
	if err != nil {
		return nil, err
	}
	layer, err := numberIn(row.Path, mwhannaLayer, "layer")
	if err != nil {
		return nil, err
	}
	width := file.number("d_model.value")
	config := inferred(model, fmt.Sprintf("blocks.%d.mlp.hook_in", layer), map[string]any{
		"architecture": "transcoder", "d_in": width, "d_out": width, "d_sae": file.number("d_feature.value"),
		"context_size": file.number("batch_size.value"), "hook_name_out": fmt.Sprintf("blocks.%d.hook_mlp_out", layer),
		"dataset_path": pile, "model_from_pretrained_kwargs": map[string]any{"fold_ln": false},
	})
	if file.err != nil {
		return nil, file.err
	}
	t, err := r.safetensors(row.Path)
	if err != nil {
		return nil, err
	}
	d := newDraft(t, file.where, config)
	d.takeAll(t)
	d.take(t, "W_enc", "^W_enc")
	return d, nil
}

func mntssFiles(row Row, _ func(string) bool) []string {
	return []string{"config.yaml", "W_enc_" + row.Path + ".safetensors", "W_dec_" + row.Path + ".safetensors"}
}

// readMntss reads one layer of a cross-layer transcoder. Its decoders for all later layers
// are summed, which leaves activations right and makes reconstructions meaningless.
func readMntss(r *repository, row Row) (*draft, error) {
	if _, err := strconv.ParseUint(row.Path, 10, 31); err != nil {
		return nil, fmt.Errorf("path %q is not a layer number", row.Path)
	}
	file, err := r.yaml("config.yaml")
	if err != nil {
		return nil, err
	}
	config := inferred(file.text("model_name"), "blocks."+row.Path+"."+file.text("feature_input_hook"), map[string]any{
		"architecture": "transcoder", "hook_name_out": "blocks." + row.Path + "." + file.text("feature_output_hook"),
		"model_from_pretrained_kwargs": map[string]any{"fold_ln": false},
	})
	if file.err != nil {
		return nil, file.err
	}
	names := mntssFiles(row, nil)
	encoder, err := r.safetensors(names[1])
	if err != nil {
		return nil, err
	}
	decoder, err := r.safetensors(names[2])
	if err != nil {
		return nil, err
	}
	all := &tensors{encoder.file + " and " + decoder.file, map[string]weights.Tensor{}}
	for _, part := range []*tensors{encoder, decoder} {
		for name, tensor := range part.byName {
			all.byName[strings.TrimSuffix(name, "_"+row.Path)] = tensor
		}
	}
	d := newDraft(all, file.where, config)
	d.takeAll(all)
	d.take(all, "W_enc", "^W_enc")
	if decoders := d.parameters["W_dec"]; len(decoders.Shape) == 3 {
		d.parameters["W_dec"] = summed(decoders.Tensor)
	}
	d.measure()
	return d, nil
}
