package sae

import "path"

// Names of the files of SAELens' own format.
const (
	nativeConfig  = "cfg.json"
	nativeWeights = "sae_weights.safetensors"
)

// nativeFiles leaves out sparsity.safetensors, which no server reads.
func nativeFiles(row Row, has func(string) bool) []string {
	return inFolder(nativeConfig, nativeWeights)(row, has)
}

// readNative reads SAELens' own format, whose arrays have the names of sae.md §2.
func readNative(r *repository, row Row) (*draft, error) {
	config, err := r.json(path.Join(row.Path, nativeConfig))
	if err != nil {
		return nil, err
	}
	t, err := r.safetensors(path.Join(row.Path, nativeWeights))
	if err != nil {
		return nil, err
	}
	d := newDraft(t, config.where, config.values)
	d.takeAll(t)
	return d, d.dropScalingFactor()
}
