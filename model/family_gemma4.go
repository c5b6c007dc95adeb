package model

import (
	"fmt"
	"math"
	"slices"

	"npinf/kernels"
)

// gemma4 is what its description needs to know in every layer.
type gemma4 struct {
	skeleton
	types         []string
	globalHeadDim int
	globalKVHeads int
	keysAreValues bool // on full layers
	firstShared   int  // the first layer without keys and values of its own
	doubleWide    bool // MLPs of the sharing layers
	perLayerWidth int  // 0 = no per-layer embeddings
}

// describeGemma4 is Gemma 3 with norms that multiply by the plain weight, unscaled scores,
// normalised values, wider heads on full layers, and in some sizes per-layer embeddings,
// layers that share keys and values, or experts beside the MLP.
func describeGemma4(c *config) *architecture {
	s := shape{
		width: c.count("hidden_size", 2304), layers: c.layerCount("num_hidden_layers", 30),
		heads: c.count("num_attention_heads", 8), kvHeads: c.count("num_key_value_heads", 4),
		headDim: c.count("head_dim", 256), mlpWidth: c.count("intermediate_size", 9216),
		vocabulary: c.count("vocab_size", 262144), positions: c.count("max_position_embeddings", 131072),
	}
	g := &gemma4{skeleton: c.gemmaSkeleton(s, "hidden_activation")}
	g.newNorm, g.scale = rmsNorms(g.rmsEps), 1
	g.globalHeadDim = c.count("global_head_dim", 512)
	g.keysAreValues, g.doubleWide = c.flag("attention_k_eq_v", false), c.flag("use_double_wide_mlp", false)
	g.globalKVHeads = g.kvHeads
	if g.keysAreValues {
		g.globalKVHeads = c.count("num_global_key_value_heads", g.kvHeads)
	}
	g.perLayerWidth = int(c.number("hidden_size_per_layer_input", 256))
	if g.perLayerWidth < 0 || g.perLayerWidth > largestCount {
		c.fail("hidden_size_per_layer_input is %d", g.perLayerWidth)
		g.perLayerWidth = 0
	}
	c.gemma4Layers(g)
	a := g.buildGemma()
	a.head.softcap = c.optionalNumber("final_logit_softcapping", 0)
	a.ignored = []string{"model.vision_tower.", "model.embed_vision.", "model.audio_tower.", "model.embed_audio."}
	g.addSandwichNorms(a)
	g.addHeadNorms(a)
	for layer := range a.blocks {
		g.change(layer, &a.blocks[layer], a)
	}
	if c.flag("enable_moe_block", false) {
		c.gemma4Experts(g, a)
	}
	if g.perLayerWidth > 0 {
		g.addPerLayer(a, c.count("vocab_size_per_layer_input", s.vocabulary))
	}
	return a
}

// gemma4Layers reads which layers slide, which share and how they rotate.
func (c *config) gemma4Layers(g *gemma4) {
	g.types = c.layerTypes(g.layers, func(layer int) string {
		if (layer+1)%6 != 0 && layer != g.layers-1 {
			return slidingAttention
		}
		return fullAttention
	})
	window := c.optionalCount("sliding_window", 512)
	g.window = func(layer int) int { return windowOf(g.types[layer], window) }
	shared := int(c.number("num_kv_shared_layers", 0))
	if shared < 0 || shared >= g.layers {
		c.fail("num_kv_shared_layers is %d of %d layers", shared, g.layers)
		shared = 0
	}
	g.firstShared = g.layers - shared
	for _, kind := range g.types[g.firstShared:] {
		if !slices.Contains(g.types[:g.firstShared], kind) {
			c.fail("num_kv_shared_layers is %d, but no earlier layer is of type %s", shared, kind)
			g.firstShared = g.layers
			break
		}
	}
	if kind := c.text("use_bidirectional_attention", ""); kind == "all" { // "vision" concerns images alone
		c.fail("use_bidirectional_attention = %q is not supported", kind)
	}
	if !c.has("rope_parameters") {
		c.keys["rope_parameters"] = []byte(`{"full_attention":{"rope_type":"proportional","partial_rotary_factor":0.25,"rope_theta":1000000},"sliding_attention":{"rope_type":"default","rope_theta":10000}}`)
	}
	global := c.rotary(g.globalHeadDim, rotaryDefaults{theta: 1e6, kind: fullAttention})
	local := c.rotary(g.headDim, rotaryDefaults{theta: 10000, kind: slidingAttention, plain: true})
	g.rotary = func(layer int) *rotary {
		if g.types[layer] == slidingAttention {
			return local
		}
		return global
	}
}

// change turns a layer of the skeleton into Gemma 4's.
func (g *gemma4) change(layer int, b *block, a *architecture) {
	attention, prefix := &b.attention, fmt.Sprintf("layers.%d.", layer)
	b.scalar = prefix + "layer_scalar"
	if g.types[layer] == fullAttention {
		attention.headDim, attention.kvHeads = g.globalHeadDim, g.globalKVHeads
		attention.queryNorm.shape, attention.keyNorm.shape = []int{g.globalHeadDim}, []int{g.globalHeadDim}
		attention.queryNorm.group, attention.keyNorm.group = g.globalHeadDim, g.globalHeadDim
		attention.query.out, attention.output.in = attention.queryWidth(), attention.queryWidth()
		attention.key.out, attention.value.out = attention.keyWidth(), attention.keyWidth()
		if g.keysAreValues {
			attention.value = nil
		}
	}
	attention.valueNorm = &norm{kind: kernels.RMSNorm, eps: g.rmsEps, group: attention.headDim, bare: true}
	if layer < g.firstShared {
		return
	}
	for source := g.firstShared - 1; source >= 0; source-- {
		if g.types[source] == g.types[layer] {
			attention.shares, attention.sharedFrom = true, source
			a.blocks[source].attention.kept = true
			break
		}
	}
	attention.key, attention.value, attention.keyNorm, attention.valueNorm = nil, nil, nil, nil
	if g.doubleWide {
		b.mlp.width *= 2
		b.mlp.gate.out, b.mlp.up.out, b.mlp.down.in = b.mlp.width, b.mlp.width, b.mlp.width
	}
}

// addPerLayer adds the per-layer embeddings and what each block does with them.
func (g *gemma4) addPerLayer(a *architecture, vocabulary int) {
	all := g.layers * g.perLayerWidth
	a.embedding.perLayer = &perLayerEmbedding{
		width:      g.perLayerWidth,
		tokens:     &linear{name: "embed_tokens_per_layer", out: vocabulary, in: all},
		projection: &linear{name: "per_layer_model_projection", out: all, in: g.width},
		norm:       g.newNorm("per_layer_projection_norm", g.perLayerWidth),
	}
	a.embedding.perLayer.norm.group = g.perLayerWidth
	for layer := range a.blocks {
		prefix := fmt.Sprintf("layers.%d.", layer)
		a.blocks[layer].perLayer = &perLayerBranch{
			gate:       &linear{name: prefix + "per_layer_input_gate", out: g.perLayerWidth, in: g.width},
			projection: &linear{name: prefix + "per_layer_projection", out: g.width, in: g.perLayerWidth},
			activation: g.activation, norm: g.newNorm(prefix+"post_per_layer_input_norm", g.width),
		}
	}
}

// gemma4Experts puts experts beside every MLP. The router reads the residual through an
// RMSNorm whose gain is a learned scale over √d_model, which the softmax then sees.
func (c *config) gemma4Experts(g *gemma4, a *architecture) {
	a.refusals = map[Point]string{}
	const beside = "routes beside its dense MLP, which the reference does not capture"
	for _, point := range []Point{RouterLogits, ExpertWeights, ExpertIndices} {
		a.refusals[point] = beside
	}
	x := mixture{router: "router.proj", gate: "gate", up: "up", down: "down", activation: g.activation,
		count: c.expertCount("num_experts", 0), inner: c.count("moe_intermediate_size", 0), chosen: c.count("top_k_experts", 0),
		softmaxFirst: true, renormalize: true,
		stacked: &stackedExperts{gateUp: "experts.gate_up_proj", down: "experts.down_proj"}}
	for layer := range a.blocks {
		b, prefix := &a.blocks[layer], fmt.Sprintf("layers.%d.", layer)
		dense := b.mlp
		e := x.put(a, layer)
		e.scales = prefix + "router.per_expert_scale"
		b.mlp, b.experts = dense, nil
		router := rmsNorm(prefix+"router.scale", g.width, g.rmsEps)
		router.unsuffixed, router.factor = true, float32(1/math.Sqrt(float64(g.width)))
		b.beside = &besideMLP{experts: e, routerNorm: router,
			mlpNorm:  g.newNorm(prefix+"post_feedforward_layernorm_1", g.width),
			preNorm:  g.newNorm(prefix+"pre_feedforward_layernorm_2", g.width),
			postNorm: g.newNorm(prefix+"post_feedforward_layernorm_2", g.width)}
	}
}
