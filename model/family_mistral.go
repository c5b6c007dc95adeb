package model

// describeMistral is Llama with a sliding window on every layer; null switches it off.
func describeMistral(c *config) *architecture {
	s := c.readShape(8, 0)
	k := c.rmsSkeleton(s, 1e-6)
	window := c.optionalCount("sliding_window", 4096)
	k.window = func(int) int { return window }
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	return k.build()
}

// describeMixtral is Mistral with experts in every layer.
func describeMixtral(c *config) *architecture {
	s := c.readShape(8, 0)
	k := c.rmsSkeleton(s, 1e-5)
	window := c.optionalCount("sliding_window", 0)
	k.window = func(int) int { return window }
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 1e6}))
	a := k.build()
	x := mixture{prefix: "block_sparse_moe.", router: "gate", gate: "w1", up: "w3", down: "w2", activation: k.activation,
		count: c.expertCount("num_local_experts", 8), inner: s.mlpWidth, chosen: c.count("num_experts_per_tok", 2),
		softmaxFirst: true, renormalize: true}
	for layer := range a.blocks {
		x.put(a, layer)
	}
	return a
}
