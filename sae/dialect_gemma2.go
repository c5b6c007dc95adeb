package sae

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"

	"npinf/weights"
)

var (
	layerInPath  = regexp.MustCompile(`layer_(\d+)`)
	gemma2Models = []string{"2b-it", "9b-it", "27b-it", "2b", "9b", "27b"}
)

// gemma2Model finds the model in a Gemma Scope repository id.
func gemma2Model(repo string) (string, error) {
	for _, size := range gemma2Models {
		if strings.Contains(repo, size) {
			return "gemma-2-" + size, nil
		}
	}
	return "", fmt.Errorf("repository %s names none of the Gemma 2 models %s", repo, strings.Join(gemma2Models, ", "))
}

// gemma2Hook finds the hook of a Gemma Scope source by its repository and path.
func gemma2Hook(repo, folder string) (string, error) {
	embedding := strings.Contains(folder, "embedding")
	layer, err := numberIn(folder, layerInPath, "layer")
	if err != nil && !embedding {
		return "", err
	}
	switch {
	case strings.Contains(repo, "res") && embedding:
		return "hook_embed", nil
	case strings.Contains(repo, "res"):
		return fmt.Sprintf("blocks.%d.hook_resid_post", layer), nil
	case strings.Contains(repo, "mlp"):
		return fmt.Sprintf("blocks.%d.hook_mlp_out", layer), nil
	case strings.Contains(repo, "att"):
		return fmt.Sprintf("blocks.%d.attn.hook_z", layer), nil
	}
	return "", fmt.Errorf("repository %s does not tell where its sources read the model (want res, mlp or att)", repo)
}

// readGemma2 reads a Gemma Scope archive. Sizes come from the arrays: the folder's width_16k
// and the model's width say the same of the released files.
func readGemma2(r *repository, row Row) (*draft, error) {
	model, err := gemma2Model(row.Repo)
	if err != nil {
		return nil, err
	}
	hook, err := gemma2Hook(row.Repo, row.Path)
	if err != nil {
		return nil, err
	}
	t, err := r.npz(path.Join(row.Path, "params.npz"))
	if err != nil {
		return nil, err
	}
	d := newDraft(t, row.Repo, inferred(model, hook, map[string]any{
		"architecture": "jumprelu", "context_size": 1024.0, "dataset_path": pile,
	}))
	for name, tensor := range t.byName {
		if rest, isMatrix := strings.CutPrefix(name, "w_"); isMatrix {
			name = "W_" + rest
		}
		d.parameters[name] = parameter{Tensor: tensor}
	}
	d.measure()
	if hook == "hook_embed" {
		d.scaleEmbedding()
	}
	return d, d.dropScalingFactor()
}

// scaleEmbedding undoes Gemma's scaling of embeddings, on which these sources were trained.
func (d *draft) scaleEmbedding() {
	encoder, decoder := d.parameters["W_enc"], d.parameters["W_dec"]
	if len(encoder.Shape) != 2 || len(decoder.Shape) != 2 {
		return // the check of the shapes says so
	}
	root := float32(math.Sqrt(float64(encoder.shape()[0])))
	d.parameters["W_enc"], d.parameters["W_dec"] = encoder.scaled(1/root), decoder.scaled(root)
}

// readGemma2Transcoder reads the transcoders of Gemma Scope, whose arrays have had several
// spellings.
func readGemma2Transcoder(r *repository, row Row) (*draft, error) {
	model, err := gemma2Model(row.Repo)
	if err != nil {
		return nil, err
	}
	layer, err := numberIn(row.Path, layerInPath, "layer")
	if err != nil {
		if layer, err = numberIn(row.Repo, layerInPath, "layer"); err != nil {
			return nil, err
		}
	}
	t, err := r.npz(path.Join(row.Path, "params.npz"))
	if err != nil {
		return nil, err
	}
	lower := &tensors{t.file, map[string]weights.Tensor{}}
	for name, tensor := range t.byName {
		lower.byName[strings.ToLower(name)] = tensor
	}
	d := newDraft(t, row.Repo, inferred(model, fmt.Sprintf("blocks.%d.ln2.hook_normalized", layer), map[string]any{
		"architecture": "jumprelu_transcoder", "hook_name_out": fmt.Sprintf("blocks.%d.hook_mlp_out", layer),
		"context_size": 1024.0, "dataset_path": pile,
	}))
	d.take(lower, "W_enc", "w_enc", "wenc", "w_e")
	d.take(lower, "W_dec", "w_dec", "wdec", "w_d")
	d.take(lower, "b_enc", "b_enc", "benc", "b_e")
	d.take(lower, "b_dec", "b_dec", "bdec", "b_d")
	d.take(lower, "threshold", "threshold")
	d.measure()
	return d, nil
}
