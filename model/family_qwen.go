package model

// describeQwen2 is Qwen 2 and 2.5: Llama with biases on queries, keys and values.
func describeQwen2(c *config) *architecture {
	k := c.qwenSkeleton(c.readShape(32, 0))
	k.qkvBias = true
	return k.build()
}

// describeQwen3 is Qwen2 with a norm on every head of queries and keys instead of biases.
func describeQwen3(c *config) *architecture {
	k := c.qwenSkeleton(c.readShape(32, 128))
	k.qkvBias = c.flag("attention_bias", false)
	k.outputBias = k.qkvBias
	a := k.build()
	k.addHeadNorms(a)
	return a
}

// qwenSkeleton reads what the generations share. The window counts only when
// use_sliding_window is set; then the layers from max_window_layers on slide.
func (c *config) qwenSkeleton(s shape) skeleton {
	k := c.rmsSkeleton(s, 1e-6)
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	window := 0
	if c.flag("use_sliding_window", false) {
		window = c.optionalCount("sliding_window", 4096)
	}
	first := int(c.number("max_window_layers", 28))
	types := c.layerTypes(s.layers, func(layer int) string {
		if window > 0 && layer >= first {
			return slidingAttention
		}
		return fullAttention
	})
	k.window = func(layer int) int { return windowOf(types[layer], window) }
	return k
}
