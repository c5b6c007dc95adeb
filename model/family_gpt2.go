package model

// describeGPT2 is OpenAI's GPT-2: learned positions, LayerNorm in front of each sublayer,
// one fused projection for queries, keys and values, and weights stored [in, out].
func describeGPT2(c *config) *architecture {
	s := c.gptShape()
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	activation := c.activation("activation_function", "gelu_new")
	scaled, byLayer := c.flag("scale_attn_weights", true), c.flag("scale_attn_by_inverse_layer_idx", false)
	c.requireFalse("add_cross_attention")
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", mlpNorm: "ln_2", fused: "attn.c_attn", output: "attn.c_proj",
		up: "mlp.c_fc", down: "mlp.c_proj", qkvBias: true, outBias: true, mlpBias: true, transposed: true, eps: eps}
	g.fill(a, func(layer int, b *block) {
		b.mlp.activation = activation
		if !scaled {
			b.attention.scale = 1
		}
		if byLayer {
			b.attention.scale /= float32(layer + 1)
		}
	})
	return a
}

// describeGPTBigCode is StarCoder 1: GPT-2 with weights stored [out, in] and, in its
// multi-query form, one head of keys and values.
func describeGPTBigCode(c *config) *architecture {
	s := c.gptShape()
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	activation := c.activation("activation_function", "gelu_pytorch_tanh")
	multiQuery, scaled := c.flag("multi_query", true), c.flag("scale_attn_weights", true)
	if multiQuery {
		s.kvHeads, a.kvHeads = 1, 1
	}
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", mlpNorm: "ln_2", fused: "attn.c_attn", output: "attn.c_proj",
		up: "mlp.c_fc", down: "mlp.c_proj", qkvBias: true, outBias: true, mlpBias: true, eps: eps}
	g.fill(a, func(_ int, b *block) {
		b.mlp.activation = activation
		b.attention.grouped = !multiQuery
		if !scaled {
			b.attention.scale = 1
		}
	})
	return a
}
