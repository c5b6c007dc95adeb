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

// describeGPT2 is OpenAI's GPT-2: learned positions, LayerNorm in front of each sublayer,
// one fused projection for queries, keys and values, and weights stored [in, out].
func describeGPT2(c *config) *architecture {
	s := c.gptShape()
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	activation := c.activation("activation_function", "gelu_new")
	scaled, byLayer := c.flag("scale_attn_weights", true), c.flag("scale_attn_by_inverse_layer_idx", false)
	c.requireFalse("add_cross_attention")
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", mlpNorm: "ln_2", fused: "attn.c_attn", output: "attn.c_proj",
		up: "mlp.c_fc", down: "mlp.c_proj", qkvBias: true, outBias: true, mlpBias: true, transposed: true, eps: eps}
	g.fill(a, func(layer int, b *block) {
		b.mlp.activation = activation
		if !scaled {
			b.attention.scale = 1
		}
		if byLayer {
			b.attention.scale /= float32(layer + 1)
		}
	})
	return a
}

// describeGPTBigCode is StarCoder 1: GPT-2 with weights stored [out, in] and, in its
// multi-query form, one head of keys and values.
func describeGPTBigCode(c *config) *architecture {
	s := c.gptShape()
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	activation := c.activation("activation_function", "gelu_pytorch_tanh")
	multiQuery, scaled := c.flag("multi_query", true), c.flag("scale_attn_weights", true)
	if multiQuery {
		s.kvHeads, a.kvHeads = 1, 1
	}
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", mlpNorm: "ln_2", fused: "attn.c_attn", output: "attn.c_proj",
		up: "mlp.c_fc", down: "mlp.c_proj", qkvBias: true, outBias: true, mlpBias: true, eps: eps}
	g.fill(a, func(_ int, b *block) {
		b.mlp.activation = activation
		b.attention.grouped = !multiQuery
		if !scaled {
			b.attention.scale = 1
		}
	})
	return a
}

// describeGPTJ is GPT-J: parallel blocks with one norm, rotation of neighbouring pairs.
func describeGPTJ(c *config) *architecture {
	s := c.gptShape()
	eps := float32(c.positive("layer_norm_epsilon", 1e-5))
	a := c.gptTrunk(s, eps)
	a.embedding.positions = nil
	a.head.tied, a.head.output.bias = c.flag("tie_word_embeddings", false), true
	activation := c.activation("activation_function", "gelu_new")
	dim := c.count("rotary_dim", 64)
	shared := &rotary{dim: dim, interleaved: true, scale: 1, frequencies: frequencies(10000, dim)}
	g := gptBlocks{shape: s, blocks: "h", attnNorm: "ln_1", query: "attn.q_proj", key: "attn.k_proj", value: "attn.v_proj",
		output: "attn.out_proj", up: "mlp.fc_in", down: "mlp.fc_out", mlpBias: true, eps: eps}
	g.fill(a, func(_ int, b *block) { b.mlp.activation, b.attention.rotary = activation, shared })
	return a
}

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
