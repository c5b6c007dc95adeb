package model

import (
	"fmt"
	"slices"
)

// describeQwen2Moe is Qwen2 with experts and one more MLP that every row passes.
func describeQwen2Moe(c *config) *architecture {
	k := c.qwenSkeleton(c.readShape(16, 0))
	k.qkvBias = c.flag("qkv_bias", true)
	a := k.build()
	c.putSharedMixture(a, k, c.qwenMixture(k, 60, 4, 1408), 5632, c.sparseLayer())
	return a
}

// putSharedMixture puts experts, and one more MLP that every row passes, in the sparse
// layers. sharedInner is the width of that MLP when its key is absent.
func (c *config) putSharedMixture(a *architecture, k skeleton, x mixture, sharedInner int, sparse func(layer int) bool) {
	inner := c.count("shared_expert_intermediate_size", sharedInner)
	for layer := range a.blocks {
		if !sparse(layer) {
			continue
		}
		e, prefix := x.put(a, layer), fmt.Sprintf("layers.%d.mlp.", layer)
		shared := gatedMLP(prefix+"shared_expert.", "gate_proj", "up_proj", "down_proj", inner, a.width, k.activation)
		e.shared, e.sharedGate = &shared, &linear{name: prefix + "shared_expert_gate", out: 1, in: a.width}
	}
}

// describeQwen3Moe is Qwen3 with experts.
func describeQwen3Moe(c *config) *architecture {
	k := c.qwenSkeleton(c.readShape(4, 0))
	k.qkvBias = c.flag("attention_bias", false)
	k.outputBias = k.qkvBias
	a := k.build()
	k.addHeadNorms(a)
	x, sparse := c.qwenMixture(k, 128, 8, 768), c.sparseLayer()
	for layer := range a.blocks {
		if sparse(layer) {
			x.put(a, layer)
		}
	}
	return a
}

// qwenMixture reads the experts of the Qwen families.
func (c *config) qwenMixture(k skeleton, count, chosen, inner int) mixture {
	return mixture{prefix: "mlp.", router: "gate", gate: "gate_proj", up: "up_proj", down: "down_proj", activation: k.activation,
		count: c.expertCount("num_experts", count), inner: c.count("moe_intermediate_size", inner),
		chosen: c.count("num_experts_per_tok", chosen), softmaxFirst: true, renormalize: c.flag("norm_topk_prob", false)}
}

// sparseLayer tells which layers have experts: not those of mlp_only_layers, and every
// decoder_sparse_step-th of the others.
func (c *config) sparseLayer() func(layer int) bool {
	dense, step := c.numbers("mlp_only_layers"), c.count("decoder_sparse_step", 1)
	return func(layer int) bool {
		return !slices.Contains(dense, float64(layer)) && (layer+1)%step == 0
	}
}
