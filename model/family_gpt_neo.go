package model

// describeGPTNeo is GPT-Neo: unscaled scores, and a window on the layers that
// attention_types calls local.
func describeGPTNeo(c *config) *architecture {
	s := shape{
		width: c.count("hidden_size", 2048), layers: c.layerCount("num_layers", 24), heads: c.count("num_heads", 16),
		vocabulary: c.count("vocab_size", 50257), positions: c.count("max_position_embeddings", 2048),
	}
	s.kvHeads, s.headDim, s.mlpWidth = s.heads, max(s.width/s.heads, 1), c.count("intermediate_size", 4*s.width)
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	const inline = "computes attention inside one module that the reference cannot look into"
	a.refusals = map[Point]string{Z: inline, Value: inline, AttnScores: inline}
	activation, window := c.activation("activation_function", "gelu_new"), c.count("window_size", 256)
	local := c.neoLocalLayers(s.layers)
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", mlpNorm: "ln_2", output: "attn.attention.out_proj",
		query: "attn.attention.q_proj", key: "attn.attention.k_proj", value: "attn.attention.v_proj",
		up: "mlp.c_fc", down: "mlp.c_proj", outBias: true, mlpBias: true, eps: eps}
	g.fill(a, func(layer int, b *block) {
		b.mlp.activation, b.attention.scale = activation, 1
		if local[layer] {
			b.attention.window = window
		}
	})
	return a
}

// neoLocalLayers reads attention_types, a list of [[kinds..], repeats].
func (c *config) neoLocalLayers(layers int) []bool {
	var groups [][2]any
	if !c.decode("attention_types", &groups, "a list of [kinds, repeats]") {
		groups = [][2]any{{[]any{"global", "local"}, float64((layers + 1) / 2)}}
	}
	var local []bool
	for _, group := range groups {
		kinds, isList := group[0].([]any)
		repeats, isNumber := group[1].(float64)
		if !isList || !isNumber || repeats > largestCount {
			c.fail("attention_types holds %v, want [kinds, repeats]", group)
			break
		}
		for i := 0; i < int(repeats) && len(local) < layers; i++ {
			for _, kind := range kinds {
				if kind != "global" && kind != "local" {
					c.fail("attention_types: %v is not supported; supported: global, local", kind)
				}
				local = append(local, kind == "local")
			}
		}
	}
	if len(local) < layers {
		c.fail("attention_types covers %d of %d layers", len(local), layers)
		return make([]bool, layers)
	}
	return local
}
