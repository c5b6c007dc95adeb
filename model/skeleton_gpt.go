package model

import (
	"fmt"
	"math"
)

// gptBlocks fills in blocks of the GPT-2 kind: two LayerNorms, an ungated MLP, biases as
// flagged. Names are relative to "<blocks>.<layer>.".
type gptBlocks struct {
	shape
	blocks            string // "h" or "layers"
	attnNorm, mlpNorm string // mlpNorm "" = parallel blocks with one norm
	fused             string // one projection, or
	query, key, value string // three
	output, up, down  string
	qkvBias, outBias  bool
	mlpBias           bool
	transposed        bool
	eps               float32
}

func (g gptBlocks) fill(a *architecture, change func(layer int, b *block)) {
	for layer := range a.blocks {
		prefix := fmt.Sprintf("%s.%d.", g.blocks, layer)
		projection := func(name string, out, in int, bias bool) *linear {
			return &linear{name: prefix + name, out: out, in: in, bias: bias, transposed: g.transposed}
		}
		b := &a.blocks[layer]
		*b = block{
			attnNorm: layerNorm(prefix+g.attnNorm, g.width, g.eps), residualMultiplier: 1,
			attention: attention{heads: g.heads, kvHeads: g.kvHeads, headDim: g.headDim,
				scale:  float32(1 / math.Sqrt(float64(g.headDim))),
				output: projection(g.output, g.width, g.heads*g.headDim, g.outBias)},
			mlp: mlp{width: g.mlpWidth,
				up: projection(g.up, g.mlpWidth, g.width, g.mlpBias), down: projection(g.down, g.width, g.mlpWidth, g.mlpBias)},
		}
		if g.mlpNorm != "" {
			b.mlpNorm = layerNorm(prefix+g.mlpNorm, g.width, g.eps)
		} else {
			b.parallel = true
		}
		if g.fused != "" {
			b.attention.fused = projection(g.fused, b.attention.fusedWidth(), g.width, g.qkvBias)
		} else {
			b.attention.query = projection(g.query, b.attention.queryWidth(), g.width, g.qkvBias)
			b.attention.key = projection(g.key, b.attention.keyWidth(), g.width, g.qkvBias)
			b.attention.value = projection(g.value, b.attention.keyWidth(), g.width, g.qkvBias)
		}
		change(layer, b)
	}
}

// gptShape reads GPT-2's spelling of the dimensions.
func (c *config) gptShape() shape {
	s := shape{
		width: c.count("n_embd", 768), layers: c.layerCount("n_layer", 12), heads: c.count("n_head", 12),
		vocabulary: c.count("vocab_size", 50257), positions: c.count("n_positions", 1024),
	}
	s.kvHeads, s.headDim, s.mlpWidth = s.heads, max(s.width/s.heads, 1), c.count("n_inner", 4*s.width)
	return s
}

// gptTrunk makes the architecture around GPT-2-like blocks, with learned positions.
func (c *config) gptTrunk(s shape, eps float32) *architecture {
	a := s.newArchitecture()
	a.prefixes = []string{"transformer.", ""}
	a.embedding.tokens = &linear{name: "wte", out: s.vocabulary, in: s.width}
	a.embedding.positions = &linear{name: "wpe", out: s.positions, in: s.width}
	a.head.tied = c.flag("tie_word_embeddings", true)
	a.finalNorm = layerNorm("ln_f", s.width, eps)
	return a
}
