// Package demo is the built-in model: a transformer of a million parameters, one sparse
// autoencoder per layer and a description of its features, so that every route of npinf answers
// something without a download. README.md tells how it was made; train/ makes it again.
package demo

import (
	"embed"
	"io/fs"
)

const (
	// Name is the model id, as in neuronpedia_id "npinf-demo/0-res-demo".
	Name = "npinf-demo"
	// SourceSet is the set its sources 0-res-demo … 3-res-demo belong to.
	SourceSet = "res-demo"
)

//go:embed all:files
var embedded embed.FS

// Files returns the model repository: config.json, model.safetensors, the tokenizer's files,
// generation_config.json and labels.json.gz at the root, and for each source
// sae/SOURCE/cfg.json with sae_weights.safetensors (SAELens' native layout).
func Files() fs.FS {
	files, err := fs.Sub(embedded, "files")
	if err != nil {
		panic(err) // the folder is part of the binary: only its name could be wrong here
	}
	return files
}
