package model

// describeGPTJ is GPT-J: parallel blocks with one norm, rotation of neighbouring pairs.
func describeGPTJ(c *config) *architecture {
	s := c.gptShape()
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	a.embedding.positions = nil
	a.head.tied, a.head.output.bias = c.flag("tie_word_embeddings", false), true
	activation := c.activation("activation_function", "gelu_new")
	dim := c.count("rotary_dim", 64)
	shared := &rotary{dim: dim, interleaved: true, scale: 1, frequencies: frequencies(10000, dim)}
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", query: "attn.q_proj", key: "attn.k_proj", value: "attn.v_proj",
		output: "attn.out_proj", up: "mlp.fc_in", down: "mlp.fc_out", mlpBias: true, eps: eps}
	g.fill(a, func(_ int, b *block) { b.mlp.activation, b.attention.rotary = activation, shared })
	return a
}
