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

// describeOPT is OPT: learned positions from row 2 on; the 350m form normalises after each
// sum and embeds in fewer dimensions than it computes in.
func describeOPT(c *config) *architecture {
	s := shape{
		width: c.count("hidden_size", 768), layers: c.layerCount("num_hidden_layers", 12),
		heads: c.count("num_attention_heads", 12), mlpWidth: c.count("ffn_dim", 3072),
		vocabulary: c.count("vocab_size", 50272), positions: c.count("max_position_embeddings", 2048),
	}
	s.kvHeads, s.headDim = s.heads, max(s.width/s.heads, 1)
	const eps, offset = 1e-5, 2
	embedded := c.count("word_embed_proj_dim", s.width)
	before, bias := c.flag("do_layer_norm_before", true), c.flag("enable_bias", true)
	if !c.flag("layer_norm_elementwise_affine", true) {
		c.fail("layer_norm_elementwise_affine = false is not supported")
	}
	a := s.newArchitecture()
	a.prefixes = []string{"model.decoder.", "decoder.", ""}
	a.embedding.tokens = &linear{name: "embed_tokens", out: s.vocabulary, in: embedded}
	a.embedding.positions = &linear{name: "embed_positions", out: s.positions + offset, in: s.width}
	a.embedding.positionOffset = offset
	a.head.tied, a.head.output.in = c.flag("tie_word_embeddings", true), embedded
	if embedded != s.width {
		a.embedding.projection = &linear{name: "project_in", out: s.width, in: embedded}
		a.head.projection = &linear{name: "project_out", out: embedded, in: s.width}
	}
	if before && !c.flag("_remove_final_layer_norm", false) {
		a.finalNorm = layerNorm("final_layer_norm", s.width, eps)
	}
	a.refusals = map[Point]string{ResidMid: "computes its MLP inside the block, so no module reads the residual between attention and MLP"}
	activation := c.activation("activation_function", "relu")
	g := gptBlocks{shape: s, blocks: "layers", attnNorm: "self_attn_layer_norm", mlpNorm: "final_layer_norm",
		query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj", output: "self_attn.out_proj",
		up: "fc1", down: "fc2", qkvBias: bias, outBias: bias, mlpBias: bias, eps: eps}
	g.fill(a, func(_ int, b *block) { b.mlp.activation, b.normAfterSum = activation, !before })
	return a
}
