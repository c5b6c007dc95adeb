package sae

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"
)

// readTemporal reads a temporal source of its authors' repository.
func readTemporal(r *repository, row Row) (*draft, error) {
	file, err := r.yaml(path.Join(row.Path, "conf.yaml"))
	if err != nil {
		return nil, err
	}
	width := file.number("llm.dimin")
	special := map[string]any{
		"architecture": "temporal", "d_in": width, "d_sae": math.Trunc(width * file.number("sae.exp_factor")),
		"apply_b_dec_to_input": true, "normalize_activations": normalizeScalar,
		"activation_normalization_factor": file.number("sae.scaling_factor"), "tied_weights": file.boolean("sae.tied_weights"),
	}
	for _, key := range []string{"n_heads", "n_attn_layers", "bottleneck_factor", "sae_diff_type", "kval_topk"} {
		if value, found := file.get("sae." + key); found {
			special[key] = value
		}
	}
	if file.err != nil {
		return nil, file.err
	}
	hook := ""
	if layer, err := numberIn(row.Path, layerInPath, "layer"); err == nil {
		hook = fmt.Sprintf("blocks.%d.hook_resid_post", layer)
	}
	t, err := r.safetensors(path.Join(row.Path, "latest_ckpt.safetensors"))
	if err != nil {
		return nil, err
	}
	d := newDraft(t, file.where, inferred("", hook, special))
	d.take(t, "W_dec", "D")
	d.take(t, "b_dec", "b")
	d.take(t, "W_enc", "E")
	for name := range t.byName {
		if strings.HasPrefix(name, "attn_layers.") {
			d.take(t, name, name)
		}
	}
	return d, nil
}

var sparsifyLayer = regexp.MustCompile(`layers[._](\d+)`)

// sparsifyConfig is what cfg.json and the folder's name say.
func sparsifyConfig(file *options, at string) (map[string]any, error) {
	folder, hook := path.Base(at), "hook_embed"
	if !strings.Contains(folder, "embed_tokens") {
		layer, err := numberIn(folder, sparsifyLayer, "layer")
		if err != nil {
			return nil, err
		}
		hook = fmt.Sprintf("blocks.%d.hook_resid_post", layer)
	}
	width := file.number("d_in")
	features := width
	if file.has("num_latents") {
		features = file.number("num_latents")
	} else {
		features *= file.number("expansion_factor")
	}
	normalized, _ := file.get("normalize_decoder")
	return inferred(path.Base(path.Dir(at)), hook, map[string]any{
		"architecture": "topk", "activation_fn": "topk", "activation_fn_kwargs": map[string]any{"k": file.number("k")},
		"d_in": width, "d_sae": features, "apply_b_dec_to_input": normalized == any(false),
		"context_size": 2048.0, "dataset_path": "togethercomputer/RedPajama-Data-1T-Sample",
	}), file.err
}

// readSparsify reads a folder of the sparsify library. Its W_dec occurs in both
// orientations; the shape tells which one it is. Biases may be left out.
func readSparsify(r *repository, row Row) (*draft, error) {
	file, err := r.json(path.Join(row.Path, "cfg.json"))
	if err != nil {
		return nil, err
	}
	config, err := sparsifyConfig(file, row.Path)
	if err != nil {
		return nil, err
	}
	t, err := r.safetensors(path.Join(row.Path, "sae.safetensors"))
	if err != nil {
		return nil, err
	}
	d := newDraft(t, file.where, config)
	d.take(t, "W_enc", "W_enc", "^encoder.weight")
	d.take(t, "W_dec", "W_dec", "^decoder.weight")
	width, _ := d.encoderShape()
	if decoder := d.parameters["W_dec"]; decoder.Name == "W_dec" && len(decoder.Shape) == 2 && decoder.Shape[0] == width {
		d.parameters["W_dec"] = decoder.flipped()
	}
	if !d.take(t, "b_enc", "b_enc", "encoder.bias") {
		d.fill("b_enc", 0)
	}
	if !d.take(t, "b_dec", "b_dec", "decoder.bias") {
		d.parameters["b_dec"] = constant("b_dec", 0, width)
	}
	return d, nil
}
