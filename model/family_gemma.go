package model

import (
	"fmt"
	"math"
)

// describeGemma is Gemma 1: a Llama block with Gemma's norms. hidden_act is taken
// literally and hidden_activation is not read, as in the reference.
func describeGemma(c *config) *architecture {
	s := c.readShape(16, 256)
	k := c.gemmaSkeleton(s, "hidden_act")
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	return k.buildGemma()
}

// describeGemma2 adds norms behind both sublayers, soft caps on scores and logits, and a
// sliding window on every other layer.
func describeGemma2(c *config) *architecture {
	s := c.readShape(4, 256)
	k := c.gemmaSkeleton(s, "hidden_activation")
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	k.softcap = c.optionalNumber("attn_logit_softcapping", 50)
	k.gemmaWindows(c, func(layer int) bool { return layer%2 == 0 })
	a := k.buildGemma()
	a.head.softcap = c.optionalNumber("final_logit_softcapping", 30)
	k.addSandwichNorms(a)
	return a
}

// describeGemma3 is Gemma 2 with head norms instead of soft caps; five layers of six slide
// and rotate with a base of their own.
func describeGemma3(c *config) *architecture {
	s := shape{
		width: c.count("hidden_size", 2304), layers: c.layerCount("num_hidden_layers", 26),
		heads: c.count("num_attention_heads", 8), kvHeads: c.count("num_key_value_heads", 4),
		headDim: c.count("head_dim", 256), mlpWidth: c.count("intermediate_size", 9216),
		vocabulary: c.count("vocab_size", 262208), positions: c.count("max_position_embeddings", 131072),
	}
	k := c.gemmaSkeleton(s, "hidden_activation")
	k.softcap = c.optionalNumber("attn_logit_softcapping", 0)
	pattern := c.count("sliding_window_pattern", 6)
	types := k.gemmaWindows(c, func(layer int) bool { return (layer+1)%pattern != 0 })
	c.requireFalse("use_bidirectional_attention")
	global := c.rotary(s.headDim, rotaryDefaults{theta: 1e6, kind: fullAttention})
	local := c.rotary(s.headDim, rotaryDefaults{theta: c.positive("rope_local_base_freq", 10000), kind: slidingAttention, plain: true})
	k.rotary = func(layer int) *rotary {
		if types[layer] == slidingAttention {
			return local
		}
		return global
	}
	a := k.buildGemma()
	a.head.softcap = c.optionalNumber("final_logit_softcapping", 0)
	a.ignored = []string{"vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."}
	k.addSandwichNorms(a)
	k.addHeadNorms(a)
	return a
}

// gemmaSkeleton reads what the Gemma generations share: embeddings scaled by √d, norms
// that multiply by 1 + weight, tied embeddings.
func (c *config) gemmaSkeleton(s shape, activation string) skeleton {
	eps := float32(c.positive("rms_norm_eps", 1e-6))
	bias := c.flag("attention_bias", false)
	return skeleton{
		shape: s, rmsEps: eps, activation: c.activation(activation, "gelu_pytorch_tanh"),
		tied: c.flag("tie_word_embeddings", true), qkvBias: bias, outputBias: bias,
		newNorm: func(name string, width int) *norm {
			n := rmsNorm(name, width, eps)
			n.addOne = true
			return n
		},
	}
}

// buildGemma builds the skeleton with Gemma's embedding scale.
func (k skeleton) buildGemma() *architecture {
	a := k.build()
	a.embedding.scale = float32(math.Sqrt(float64(k.width)))
	return a
}

// gemmaWindows reads the score scale and which layers slide.
func (k *skeleton) gemmaWindows(c *config, slides func(layer int) bool) []string {
	k.scale = float32(1 / math.Sqrt(c.positive("query_pre_attn_scalar", 256)))
	window := c.optionalCount("sliding_window", 4096)
	types := c.layerTypes(k.layers, func(layer int) string {
		if slides(layer) {
			return slidingAttention
		}
		return fullAttention
	})
	k.window = func(layer int) int { return windowOf(types[layer], window) }
	return types
}

// addSandwichNorms puts a norm behind each sublayer as well; post_attention_layernorm then
// means the one behind attention.
func (k skeleton) addSandwichNorms(a *architecture) {
	for layer := range a.blocks {
		b, prefix := &a.blocks[layer], fmt.Sprintf("layers.%d.", layer)
		b.attnPostNorm = b.mlpNorm
		b.mlpNorm = k.newNorm(prefix+"pre_feedforward_layernorm", k.width)
		b.mlpPostNorm = k.newNorm(prefix+"post_feedforward_layernorm", k.width)
	}
}
