package model

import (
	"fmt"
)

// describeStarcoder2 is a Llama block with LayerNorms, biases and an ungated MLP.
func describeStarcoder2(c *config) *architecture {
	s := c.readShape(2, 0)
	bias := c.flag("use_bias", true)
	if kind := c.text("norm_type", "layer_norm"); kind != "layer_norm" {
		c.fail("norm_type = %q is not supported; supported: layer_norm", kind)
	}
	window := c.optionalCount("sliding_window", 0)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "gelu_pytorch_tanh"), tied: c.flag("tie_word_embeddings", true),
		qkvBias: bias, outputBias: bias, mlpBias: bias,
		newNorm: layerNorms(float32(c.positive("norm_epsilon", 1e-5)), true),
		rotary:  everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000})),
		window:  func(int) int { return window },
	}
	a := k.build()
	for layer := range a.blocks {
		a.blocks[layer].mlp.ungate(fmt.Sprintf("layers.%d.mlp.", layer), "c_fc", "c_proj")
	}
	return a
}
