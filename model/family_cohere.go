package model

// describeCohere is Command-R: parallel blocks with one LayerNorm without bias, rotation of
// neighbouring pairs, scaled logits.
func describeCohere(c *config) *architecture {
	s := c.readShape(0, 0)
	shared := c.rotary(s.headDim, rotaryDefaults{theta: 500000})
	shared.interleaved = true
	k := c.cohereSkeleton(s)
	k.rotary = everyLayer(shared)
	a := k.buildCohere(c)
	if c.flag("use_qk_norm", false) {
		k.addHeadNorms(a)
		for layer := range a.blocks {
			attention := &a.blocks[layer].attention // one gain per head
			attention.queryNorm.shape = []int{s.heads, s.headDim}
			attention.keyNorm.shape = []int{s.kvHeads, s.headDim}
		}
	}
	return a
}

// describeCohere2 is Command-R7B: three layers of four slide and rotate, the fourth sees
// everything and does not rotate.
func describeCohere2(c *config) *architecture {
	s := c.readShape(0, 0)
	shared := c.rotary(s.headDim, rotaryDefaults{theta: 10000})
	shared.interleaved = true
	pattern := c.count("sliding_window_pattern", 4)
	window := c.optionalCount("sliding_window", 4096)
	types := c.layerTypes(s.layers, func(layer int) string {
		if (layer+1)%pattern != 0 {
			return slidingAttention
		}
		return fullAttention
	})
	k := c.cohereSkeleton(s)
	k.window = func(layer int) int { return windowOf(types[layer], window) }
	k.rotary = func(layer int) *rotary {
		if types[layer] == slidingAttention {
			return shared
		}
		return nil
	}
	return k.buildCohere(c)
}

func (c *config) cohereSkeleton(s shape) skeleton {
	bias := c.flag("attention_bias", false)
	return skeleton{
		shape: s, activation: c.activation("hidden_act", "silu"), tied: c.flag("tie_word_embeddings", true),
		qkvBias: bias, outputBias: bias,
		newNorm: layerNorms(float32(c.positive("layer_norm_eps", 1e-5)), false),
	}
}

func (k skeleton) buildCohere(c *config) *architecture {
	a := k.build()
	a.shareNorm()
	a.head.multiplier = float32(c.positive("logit_scale", 0.0625))
	return a
}
