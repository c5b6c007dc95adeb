package model

// describeGranite is Llama with four multipliers: on the embedding, the scores, each
// sublayer's output and (dividing) the logits.
func describeGranite(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.rmsSkeleton(s, 1e-6)
	bias := c.flag("attention_bias", false)
	k.qkvBias, k.outputBias, k.mlpBias = bias, bias, c.flag("mlp_bias", false)
	k.scale = float32(c.positive("attention_multiplier", 1))
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	a := k.build()
	a.embedding.multiplier = float32(c.positive("embedding_multiplier", 1))
	a.head.multiplier = float32(1 / c.positive("logits_scaling", 1))
	residual := float32(c.positive("residual_multiplier", 1))
	for layer := range a.blocks {
		a.blocks[layer].residualMultiplier = residual
	}
	return a
}

// describeGraniteMoe is Granite with experts, all of them in one tensor.
func describeGraniteMoe(c *config) *architecture {
	a := describeGranite(c)
	x := mixture{prefix: "block_sparse_moe.", router: "router.layer", gate: "gate", up: "up", down: "down",
		activation: a.blocks[0].mlp.activation, count: c.expertCount("num_local_experts", 8), inner: a.mlpWidth,
		chosen: c.count("num_experts_per_tok", 2), stacked: &stackedExperts{gateUp: "input_linear", down: "output_linear"}}
	for layer := range a.blocks {
		x.put(a, layer)
	}
	return a
}
