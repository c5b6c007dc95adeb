package model

import (
	"fmt"

	"npinf/kernels"
)

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

// describeGranite is Llama with four multipliers: on the embedding, the scores, each
// sublayer's output and (dividing) the logits.
func describeGranite(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.rmsSkeleton(s, 1e-6)
	bias := c.flag("attention_bias", false)
	k.qkvBias, k.outputBias, k.mlpBias = bias, bias, c.flag("mlp_bias", false)
	k.scale = float32(c.positive("attention_multiplier", 1))
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	a := k.build()
	a.embedding.multiplier = float32(c.positive("embedding_multiplier", 1))
	a.head.multiplier = float32(1 / c.positive("logits_scaling", 1))
	residual := float32(c.positive("residual_multiplier", 1))
	for layer := range a.blocks {
		a.blocks[layer].residualMultiplier = residual
	}
	return a
}

// layerNorms makes LayerNorms with one epsilon.
func layerNorms(eps float32, bias bool) func(string, int) *norm {
	return func(name string, width int) *norm {
		n := layerNorm(name, width, eps)
		n.bias = bias
		return n
	}
}

// describeStarcoder2 is a Llama block with LayerNorms, biases and an ungated MLP.
func describeStarcoder2(c *config) *architecture {
	s := c.readShape(2, 0)
	bias := c.flag("use_bias", true)
	if kind := c.text("norm_type", "layer_norm"); kind != "layer_norm" {
		c.fail("norm_type = %q is not supported; supported: layer_norm", kind)
	}
	window := c.optionalCount("sliding_window", 0)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "gelu_pytorch_tanh"), tied: c.flag("tie_word_embeddings", true),
		qkvBias: bias, outputBias: bias, mlpBias: bias,
		newNorm: layerNorms(float32(c.positive("norm_epsilon", 1e-5)), true),
		rotary:  everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000})),
		window:  func(int) int { return window },
	}
	a := k.build()
	for layer := range a.blocks {
		a.blocks[layer].mlp.ungate(fmt.Sprintf("layers.%d.mlp.", layer), "c_fc", "c_proj")
	}
	return a
}

// ungate turns a gated MLP into one without a gate and names its projections.
func (m *mlp) ungate(prefix, up, down string) {
	m.gate, m.up.name, m.down.name = nil, prefix+up, prefix+down
}

// describeStableLM is a Llama block with LayerNorms and partial rotation; in the parallel
// form one norm serves both sublayers.
func describeStableLM(c *config) *architecture {
	s := c.readShape(0, 0)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "silu"), tied: c.flag("tie_word_embeddings", false),
		qkvBias: c.flag("use_qkv_bias", false),
		newNorm: layerNorms(float32(c.positive("layer_norm_eps", 1e-5)), true),
		rotary:  everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, partial: 0.25})),
	}
	c.requireFalse("qk_layernorm")
	a := k.build()
	if c.flag("use_parallel_residual", false) {
		a.shareNorm()
	}
	return a
}

// shareNorm makes all blocks parallel with one norm in front of both sublayers.
func (a *architecture) shareNorm() {
	for layer := range a.blocks {
		a.blocks[layer].parallel, a.blocks[layer].mlpNorm = true, nil
	}
}

// describePhi is Phi 1 and 2: parallel blocks, biases everywhere, the head's included.
func describePhi(c *config) *architecture {
	s := c.readShape(0, 0)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "gelu_new"), tied: c.flag("tie_word_embeddings", false),
		qkvBias: true, outputBias: true, mlpBias: true,
		newNorm: layerNorms(float32(c.positive("layer_norm_eps", 1e-5)), true),
		rotary:  everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, partial: 0.5})),
	}
	c.requireFalse("qk_layernorm")
	a := k.build()
	a.shareNorm()
	a.finalNorm.name = "final_layernorm"
	a.head.output.bias = true
	for layer := range a.blocks {
		prefix := fmt.Sprintf("layers.%d.", layer)
		a.blocks[layer].attention.output.name = prefix + "self_attn.dense"
		a.blocks[layer].mlp.ungate(prefix+"mlp.", "fc1", "fc2")
	}
	return a
}

// describePhi3 is Llama with fused projections.
func describePhi3(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.rmsSkeleton(s, 1e-5)
	window := c.optionalCount("sliding_window", 0)
	k.window = func(int) int { return window }
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, original: 4096, suIsLong: true}))
	a := k.build()
	for layer := range a.blocks {
		attention, m, prefix := &a.blocks[layer].attention, &a.blocks[layer].mlp, fmt.Sprintf("layers.%d.", layer)
		attention.fused = &linear{name: prefix + "self_attn.qkv_proj", out: attention.fusedWidth(), in: s.width}
		attention.query, attention.key, attention.value = nil, nil, nil
		m.gateUp = &linear{name: prefix + "mlp.gate_up_proj", out: 2 * m.width, in: s.width}
		m.gate, m.up = nil, nil
	}
	return a
}

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

// clamp limits a buffer's values to ±limit. Only OLMo 1 asks for it, so it goes through
// host memory instead of being an operation of every device.
func clamp(device kernels.Device, b kernels.Buffer, limit float32) {
	values := make([]float32, b.Rows*b.Width)
	device.Download(values, b)
	for i, v := range values {
		values[i] = min(max(v, -limit), limit)
	}
	clamped := device.Upload(b.Rows, b.Width, values)
	device.Copy(b, clamped)
	device.Release(clamped)
}
