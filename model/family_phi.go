package model

import (
	"fmt"
)

// describePhi is Phi 1 and 2: parallel blocks, biases everywhere, the head's included.
func describePhi(c *config) *architecture {
	s := c.readShape(0, 0)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "gelu_new"), tied: c.flag("tie_word_embeddings", false),
		qkvBias: true, outputBias: true, mlpBias: true,
		newNorm: layerNorms(float32(c.positive("layer_norm_eps", 1e-5)), true),
		rotary:  everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, partial: 0.5})),
	}
	c.requireFalse("qk_layernorm")
	a := k.build()
	a.shareNorm()
	a.finalNorm.name = "final_layernorm"
	a.head.output.bias = true
	for layer := range a.blocks {
		prefix := fmt.Sprintf("layers.%d.", layer)
		a.blocks[layer].attention.output.name = prefix + "self_attn.dense"
		a.blocks[layer].mlp.ungate(prefix+"mlp.", "fc1", "fc2")
	}
	return a
}

// describePhi3 is Llama with fused projections.
func describePhi3(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.rmsSkeleton(s, 1e-5)
	window := c.optionalCount("sliding_window", 0)
	k.window = func(int) int { return window }
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, original: 4096, suIsLong: true}))
	a := k.build()
	for layer := range a.blocks {
		attention, m, prefix := &a.blocks[layer].attention, &a.blocks[layer].mlp, fmt.Sprintf("layers.%d.", layer)
		attention.fused = &linear{name: prefix + "self_attn.qkv_proj", out: attention.fusedWidth(), in: s.width}
		attention.query, attention.key, attention.value = nil, nil, nil
		m.gateUp = &linear{name: prefix + "mlp.gate_up_proj", out: 2 * m.width, in: s.width}
		m.gate, m.up = nil, nil
	}
	return a
}
