package model

// describeSmolLM3 is Llama with some layers that do not rotate: those where
// no_rope_layers is 0.
func describeSmolLM3(c *config) *architecture {
	s := c.readShape(4, 0)
	k := c.rmsSkeleton(s, 1e-6)
	k.tied = c.flag("tie_word_embeddings", true)
	bias := c.flag("attention_bias", false)
	k.qkvBias, k.outputBias, k.mlpBias = bias, bias, c.flag("mlp_bias", false)
	rotates := c.numbers("no_rope_layers")
	if rotates == nil {
		interval := c.count("no_rope_layer_interval", 4)
		for layer := range s.layers {
			rotates = append(rotates, float64((layer+1)%interval))
		}
	}
	if len(rotates) < s.layers {
		c.fail("no_rope_layers has %d entries for %d layers", len(rotates), s.layers)
		rotates = make([]float64, s.layers)
	}
	c.requireFalse("use_sliding_window")
	shared := c.rotary(s.headDim, rotaryDefaults{theta: 2e6})
	k.rotary = func(layer int) *rotary {
		if rotates[layer] == 0 {
			return nil
		}
		return shared
	}
	return k.build()
}
