package model

import (
	"fmt"
	"math"

	"npinf/kernels"
)

// describeGPT2 is OpenAI's GPT-2: learned positions, LayerNorm in front of each sublayer,
// one fused projection for queries, keys and values, and weights stored [in, out].
func describeGPT2(c *config) *architecture {
	s := shape{
		width: c.count("n_embd", 768), layers: c.layerCount("n_layer", 12), heads: c.count("n_head", 12),
		vocabulary: c.count("vocab_size", 50257), positions: c.count("n_positions", 1024),
	}
	s.kvHeads, s.headDim, s.mlpWidth = s.heads, max(s.width/s.heads, 1), c.count("n_inner", 4*s.width)
	a := s.newArchitecture()
	a.prefixes = []string{"transformer.", ""}
	a.embedding.tokens = &linear{name: "wte", out: s.vocabulary, in: s.width}
	a.embedding.positions = &linear{name: "wpe", out: s.positions, in: s.width}
	a.head.tied = c.flag("tie_word_embeddings", true)
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a.finalNorm = layerNorm("ln_f", s.width, eps)
	activation := c.activation("activation_function", "gelu_new")
	scaled, byLayer := c.flag("scale_attn_weights", true), c.flag("scale_attn_by_inverse_layer_idx", false)
	c.requireFalse("add_cross_attention")

	for layer := range a.blocks {
		prefix := fmt.Sprintf("h.%d.", layer)
		conv := func(name string, out, in int) *linear {
			return &linear{name: prefix + name, out: out, in: in, bias: true, transposed: true}
		}
		scale := 1.0
		if scaled {
			scale = 1 / math.Sqrt(float64(s.headDim))
		}
		if byLayer {
			scale /= float64(layer + 1)
		}
		a.blocks[layer] = block{
			attnNorm: layerNorm(prefix+"ln_1", s.width, eps), mlpNorm: layerNorm(prefix+"ln_2", s.width, eps),
			attention: attention{heads: s.heads, kvHeads: s.kvHeads, headDim: s.headDim, scale: float32(scale),
				fused: conv("attn.c_attn", 3*s.width, s.width), output: conv("attn.c_proj", s.width, s.width)},
			mlp: mlp{width: s.mlpWidth, activation: activation,
				up: conv("mlp.c_fc", s.mlpWidth, s.width), down: conv("mlp.c_proj", s.width, s.mlpWidth)},
			residualMultiplier: 1,
		}
	}
	return a
}

// layerNorm is a LayerNorm with gain and bias over a row.
func layerNorm(name string, width int, eps float32) *norm {
	return &norm{name: name, kind: kernels.LayerNorm, shape: []int{width}, eps: eps, bias: true}
}

// rmsNorm is an RMSNorm with a gain over a row.
func rmsNorm(name string, width int, eps float32) *norm {
	return &norm{name: name, kind: kernels.RMSNorm, shape: []int{width}, eps: eps}
}
