package sae

import (
	"context"
	"fmt"

	"npinf/kernels"
	"npinf/weights"
)

// LoadFolder reads the source in SAELens' own format that lies at a path of files ("." for
// the top).
func LoadFolder(ctx context.Context, files weights.Files, at string, options LoadOptions) (*Source, error) {
	return load(ctx, files, Row{Repo: "folder", Path: at, Dialect: "sae_lens"}, options)
}

// Neurons makes the MLP neurons of a layer a source: the captured row is the activation.
// width is the model's d_mlp.
func Neurons(device kernels.Device, width, layer int) *Source {
	return &Source{
		Architecture: "neurons", Features: width, Width: width, HookName: fmt.Sprintf("blocks.%d.mlp.hook_post", layer),
		Layer: layer, DType: "float32", device: device, input: inputRule{factor: 1},
		encoder: kernels.Encoder{Kind: kernels.EncodeIdentity, Features: width, Width: width},
	}
}
