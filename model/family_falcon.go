package model

// describeFalcon is Falcon. Its three generations differ in how many heads of keys and
// values there are, how the fused projection is laid out and which norms exist.
func describeFalcon(c *config) *architecture {
	s := shape{
		width: c.count("hidden_size", 4544), layers: c.layerCount("num_hidden_layers", 32),
		heads: c.count("num_attention_heads", 71), vocabulary: c.count("vocab_size", 65024),
		positions: c.count("max_position_embeddings", 2048),
	}
	s.headDim, s.mlpWidth = max(s.width/s.heads, 1), c.count("ffn_hidden_size", 4*s.width)
	grouped := c.flag("new_decoder_architecture", false)
	multiQuery, parallel := c.flag("multi_query", true), grouped || c.flag("parallel_attn", true)
	switch {
	case grouped:
		s.kvHeads = c.count("num_kv_heads", s.heads)
	case multiQuery:
		s.kvHeads = 1
	default:
		s.kvHeads = s.heads
	}
	c.requireFalse("alibi")
	eps, bias := float32(c.positive("layer_norm_epsilon", 1e-5)), c.flag("bias", false)
	a := s.newArchitecture()
	a.prefixes = []string{"transformer.", ""}
	a.embedding.tokens = &linear{name: "word_embeddings", out: s.vocabulary, in: s.width}
	a.finalNorm = layerNorm("ln_f", s.width, eps)
	a.head.tied = c.flag("tie_word_embeddings", true)
	activation := c.activation("activation", "gelu")
	shared := c.rotary(s.headDim, rotaryDefaults{theta: 10000})
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "input_layernorm",
		fused: "self_attention.query_key_value", output: "self_attention.dense", up: "mlp.dense_h_to_4h", down: "mlp.dense_4h_to_h",
		qkvBias: bias, outBias: bias, mlpBias: bias, eps: eps}
	switch {
	case grouped && c.count("num_ln_in_parallel_attn", 2) == 2:
		g.attnNorm, g.mlpNorm = "ln_attn", "ln_mlp"
	case !parallel:
		g.mlpNorm = "post_attention_layernorm"
	}
	g.fill(a, func(_ int, b *block) {
		b.parallel, b.mlp.activation = parallel, activation
		b.attention.grouped, b.attention.rotary = grouped || !multiQuery, shared
	})
	return a
}
