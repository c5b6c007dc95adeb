package model

import (
	"fmt"

	"npinf/kernels"
)

// describeOlmo is OLMo 1: a Llama block whose LayerNorms have no weights, and whose
// queries, keys and values may be clamped.
func describeOlmo(c *config) *architecture {
	s := c.readShape(0, 0)
	bias := c.flag("attention_bias", false)
	k := skeleton{
		shape: s, activation: c.activation("hidden_act", "silu"), tied: c.flag("tie_word_embeddings", false),
		qkvBias: bias, outputBias: bias,
		newNorm: func(name string, _ int) *norm {
			return &norm{name: name, kind: kernels.LayerNorm, eps: 1e-5, bare: true}
		},
		rotary: everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000})),
	}
	a := k.build()
	limit := c.optionalNumber("clip_qkv", 0)
	for layer := range a.blocks {
		a.blocks[layer].attention.clip = limit
	}
	return a
}

// describeOlmo2 has no norms in front of its sublayers, only behind them, and normalises
// whole rows of queries and keys.
func describeOlmo2(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.olmoSkeleton(s)
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000}))
	return k.buildOlmo()
}

// describeOlmo3 is OLMo 2 with a window on three layers of four. A rope_scaling, and the
// rope_theta of old files, reach the full layers only.
func describeOlmo3(c *config) *architecture {
	s := c.readShape(0, 0)
	k := c.olmoSkeleton(s)
	window := c.optionalCount("sliding_window", 4096)
	types := c.layerTypes(s.layers, func(layer int) string {
		if (layer+1)%4 != 0 {
			return slidingAttention
		}
		return fullAttention
	})
	k.window = func(layer int) int { return windowOf(types[layer], window) }
	global := c.rotary(s.headDim, rotaryDefaults{theta: 500000, kind: fullAttention})
	local := c.rotary(s.headDim, rotaryDefaults{theta: 500000, kind: slidingAttention, plain: true})
	k.rotary = func(layer int) *rotary {
		if types[layer] == slidingAttention {
			return local
		}
		return global
	}
	return k.buildOlmo()
}

func (c *config) olmoSkeleton(s shape) skeleton {
	k := c.rmsSkeleton(s, 1e-5)
	k.qkvBias = c.flag("attention_bias", false)
	k.outputBias = k.qkvBias
	return k
}

// buildOlmo moves the norms behind the sublayers.
func (k skeleton) buildOlmo() *architecture {
	a := k.build()
	for layer := range a.blocks {
		b, prefix := &a.blocks[layer], fmt.Sprintf("layers.%d.", layer)
		b.attnNorm, b.attnPostNorm = nil, b.mlpNorm
		b.mlpNorm, b.mlpPostNorm = nil, k.newNorm(prefix+"post_feedforward_layernorm", k.width)
		b.attention.queryNorm = k.newNorm(prefix+"self_attn.q_norm", b.attention.queryWidth())
		b.attention.keyNorm = k.newNorm(prefix+"self_attn.k_norm", b.attention.keyWidth())
	}
	return a
}
