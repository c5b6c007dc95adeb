package model

// describeLlama is Llama 1 to 3, SmolLM2 and everything else with model_type llama.
func describeLlama(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.rmsSkeleton(s, 1e-6)
	bias := c.flag("attention_bias", false)
	c.requireFalse("rope_interleaved")
	k.qkvBias, k.outputBias, k.mlpBias = bias, bias, c.flag("mlp_bias", false)
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	return k.build()
}
