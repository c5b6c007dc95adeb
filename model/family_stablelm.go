package model

// describeStableLM is a Llama block with LayerNorms and partial rotation; in the parallel
// form one norm serves both sublayers.
func describeStableLM(c *config) *architecture {
	s := c.readShape(0, 0)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "silu"), tied: c.flag("tie_word_embeddings", false),
		qkvBias: c.flag("use_qkv_bias", false),
		newNorm: layerNorms(float32(c.positive("layer_norm_eps", 1e-5)), true),
		rotary:  everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, partial: 0.25})),
	}
	c.requireFalse("qk_layernorm")
	a := k.build()
	if c.flag("use_parallel_residual", false) {
		a.shareNorm()
	}
	return a
}
