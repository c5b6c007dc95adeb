package model

import (
	"fmt"
	"math"

	"npinf/kernels"
)

// skeleton is what the Llama-like families vary about the common block:
//
//	input_layernorm → self_attn{q,k,v,o}_proj → + → post_attention_layernorm → mlp{gate,up,down}_proj → +
//
// A family file fills it in, builds the architecture and changes what is special.
type skeleton struct {
	shape
	newNorm    func(name string, width int) *norm
	rmsEps     float32 // 0 on LayerNorm families
	activation kernels.Activation
	tied       bool

	qkvBias, outputBias, mlpBias bool

	scale, softcap float32                 // of the scores; scale 0 = headDim^-0.5
	rotary         func(layer int) *rotary // nil result: the layer does not rotate
	window         func(layer int) int     // nil: every layer sees everything
}

// rmsSkeleton is the skeleton of an RMSNorm family with SiLU gates.
func (c *config) rmsSkeleton(s shape, eps float64) skeleton {
	epsilon := float32(c.positive("rms_norm_eps", eps))
	return skeleton{
		shape: s, rmsEps: epsilon, newNorm: rmsNorms(epsilon),
		activation: c.activation("hidden_act", "silu"), tied: c.flag("tie_word_embeddings", false),
	}
}

// build makes the architecture of a skeleton.
func (k skeleton) build() *architecture {
	a := k.newArchitecture()
	a.rmsEpsilon = k.rmsEps
	a.prefixes = []string{"model.", "language_model.model.", "model.language_model.", ""}
	a.embedding.tokens = &linear{name: "embed_tokens", out: k.vocabulary, in: k.width}
	a.finalNorm = k.newNorm("norm", k.width)
	a.head.tied = k.tied
	for layer := range a.blocks {
		a.blocks[layer] = k.block(layer)
	}
	return a
}

func (k skeleton) block(layer int) block {
	prefix := fmt.Sprintf("layers.%d.", layer)
	projection := func(name string, out, in int, bias bool) *linear {
		return &linear{name: prefix + name, out: out, in: in, bias: bias}
	}
	b := block{
		attnNorm: k.newNorm(prefix+"input_layernorm", k.width),
		mlpNorm:  k.newNorm(prefix+"post_attention_layernorm", k.width),
		mlp: mlp{width: k.mlpWidth, activation: k.activation,
			gate: projection("mlp.gate_proj", k.mlpWidth, k.width, k.mlpBias),
			up:   projection("mlp.up_proj", k.mlpWidth, k.width, k.mlpBias),
			down: projection("mlp.down_proj", k.width, k.mlpWidth, k.mlpBias)},
		attention: attention{heads: k.heads, kvHeads: k.kvHeads, headDim: k.headDim,
			rotary: k.rotary(layer), scale: k.scale, softcap: k.softcap,
			query:  projection("self_attn.q_proj", k.heads*k.headDim, k.width, k.qkvBias),
			key:    projection("self_attn.k_proj", k.kvHeads*k.headDim, k.width, k.qkvBias),
			value:  projection("self_attn.v_proj", k.kvHeads*k.headDim, k.width, k.qkvBias),
			output: projection("self_attn.o_proj", k.width, k.heads*k.headDim, k.outputBias)},
		residualMultiplier: 1,
	}
	if b.attention.scale == 0 {
		b.attention.scale = float32(1 / math.Sqrt(float64(k.headDim)))
	}
	if k.window != nil {
		b.attention.window = k.window(layer)
	}
	return b
}

// addHeadNorms gives queries and keys a norm per head, over headDim.
func (k skeleton) addHeadNorms(a *architecture) {
	for layer := range a.blocks {
		attention := &a.blocks[layer].attention
		attention.queryNorm = k.newNorm(fmt.Sprintf("layers.%d.self_attn.q_norm", layer), k.headDim)
		attention.keyNorm = k.newNorm(fmt.Sprintf("layers.%d.self_attn.k_norm", layer), k.headDim)
		attention.queryNorm.group, attention.keyNorm.group = k.headDim, k.headDim
	}
}

// ungate turns a gated MLP into one without a gate and names its projections.
func (m *mlp) ungate(prefix, up, down string) {
	m.gate, m.up.name, m.down.name = nil, prefix+up, prefix+down
}

// shareNorm makes all blocks parallel with one norm in front of both sublayers.
func (a *architecture) shareNorm() {
	for layer := range a.blocks {
		a.blocks[layer].parallel, a.blocks[layer].mlpNorm = true, nil
	}
}

// everyLayer gives all layers the same rotary embedding.
func everyLayer(r *rotary) func(int) *rotary { return func(int) *rotary { return r } }

// rmsNorms makes RMSNorms with one epsilon.
func rmsNorms(eps float32) func(string, int) *norm {
	return func(name string, width int) *norm { return rmsNorm(name, width, eps) }
}

// layerNorms makes LayerNorms with one epsilon.
func layerNorms(eps float32, bias bool) func(string, int) *norm {
	return func(name string, width int) *norm {
		n := layerNorm(name, width, eps)
		n.bias = bias
		return n
	}
}

// rmsNorm is an RMSNorm with a gain over a row.
func rmsNorm(name string, width int, eps float32) *norm {
	return &norm{name: name, kind: kernels.RMSNorm, shape: []int{width}, eps: eps}
}

// layerNorm is a LayerNorm with gain and bias over a row.
func layerNorm(name string, width int, eps float32) *norm {
	return &norm{name: name, kind: kernels.LayerNorm, shape: []int{width}, eps: eps, bias: true}
}
