package model

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
