package model

// describeNeoX is GPT-NeoX and Pythia: a fused projection per head, partial rotation and,
// unless told otherwise, both sublayers in parallel, each with a norm of its own.
func describeNeoX(c *config) *architecture {
	s := c.readShape(0, 0)
	eps := float32(c.positive("layer_norm_eps", 1e-5))
	a := s.newArchitecture()
	a.prefixes = []string{"gpt_neox.", ""}
	a.embedding.tokens = &linear{name: "embed_in", out: s.vocabulary, in: s.width}
	a.finalNorm = layerNorm("final_layer_norm", s.width, eps)
	a.head.tied, a.head.names = c.flag("tie_word_embeddings", false), []string{"embed_out"}
	activation, parallel := c.activation("hidden_act", "gelu"), c.flag("use_parallel_residual", true)
	shared := c.rotary(s.headDim, rotaryDefaults{
		theta: c.positive("rotary_emb_base", 10000), partial: c.positive("rotary_pct", 0.25)})
	bias := c.flag("attention_bias", true)
	g := gptBlocks{shape: s, blocks: "layers", attnNorm: "input_layernorm", mlpNorm: "post_attention_layernorm",
		fused: "attention.query_key_value", output: "attention.dense", up: "mlp.dense_h_to_4h", down: "mlp.dense_4h_to_h",
		qkvBias: bias, outBias: bias, mlpBias: true, eps: eps}
	g.fill(a, func(_ int, b *block) {
		b.parallel, b.mlp.activation = parallel, activation
		b.attention.grouped, b.attention.rotary = true, shared
	})
	return a
}
