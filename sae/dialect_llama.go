package sae

import (
	"math"
	"path"
)

const llamaScopeModel = "meta-llama/Llama-3.1-8B"

// llamaScopeDraft reads what both generations of Llama Scope have in common.
func llamaScopeDraft(r *repository, file *options, weightFile string, features float64) (*draft, *tensors, error) {
	config := inferred(llamaScopeModel, file.text("hook_point_in"), map[string]any{
		"architecture": "jumprelu", "d_in": file.number("d_model"), "d_sae": features,
		"normalize_activations": normalizeExpected, "context_size": 1024.0, "dataset_path": slimPajama,
	})
	if file.err != nil {
		return nil, nil, file.err
	}
	t, err := r.safetensors(weightFile)
	if err != nil {
		return nil, nil, err
	}
	d := newDraft(t, file.where, config)
	d.take(t, "W_enc", "^encoder.weight")
	d.take(t, "W_dec", "^decoder.weight")
	d.take(t, "b_enc", "encoder.bias")
	d.take(t, "b_dec", "decoder.bias")
	return d, t, nil
}

// readLlamaScope reads a Llama Scope source. Its one threshold applies to inputs of the
// data set's average length, so it is scaled as the inputs are.
func readLlamaScope(r *repository, row Row) (*draft, error) {
	file, err := r.json(path.Join(row.Path, "hyperparams.json"))
	if err != nil {
		return nil, err
	}
	factor := math.Sqrt(file.number("d_model")) / file.number("dataset_average_activation_norm.in")
	threshold := file.number("jump_relu_threshold") * factor
	d, _, err := llamaScopeDraft(r, file, path.Join(row.Path, "checkpoints/final.safetensors"), file.number("d_sae"))
	if err != nil {
		return nil, err
	}
	d.fill("threshold", float32(threshold))
	d.factor = factor
	return d, nil
}

// readLlamaScopeR1 reads a source of the second generation, with a threshold per feature.
func readLlamaScopeR1(r *repository, row Row) (*draft, error) {
	file, err := r.json(path.Join(row.Path, "config.json"))
	if err != nil {
		return nil, err
	}
	features := file.number("d_model") * file.number("expansion_factor")
	d, t, err := llamaScopeDraft(r, file, path.Join(row.Path, "sae_weights.safetensors"), math.Trunc(features))
	if err != nil {
		return nil, err
	}
	if d.take(t, "threshold", "log_jumprelu_threshold") {
		logarithms := d.parameters["threshold"]
		values := logarithms.floats()
		for i, v := range values {
			values[i] = float32(math.Exp(float64(v)))
		}
		d.parameters["threshold"] = computed("threshold", values, logarithms.Shape...)
	}
	return d, nil
}
