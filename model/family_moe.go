package model

import (
	"encoding/json"
	"fmt"
	"slices"

	"npinf/kernels"
)

// mixture is what the sparse families vary about their experts. Names are relative to
// "layers.<layer>.".
type mixture struct {
	prefix, router   string // "mlp." and "gate"
	gate, up, down   string
	count, inner     int
	chosen           int
	activation       kernels.Activation
	softmaxFirst     bool
	renormalize      bool
	stacked          *stackedExperts // names relative to prefix
	routerBias, bias bool
	limit            float32
}

// put replaces a layer's MLP by experts.
func (x mixture) put(a *architecture, layer int) *experts {
	b, prefix := &a.blocks[layer], fmt.Sprintf("layers.%d.%s", layer, x.prefix)
	if x.chosen > x.count {
		x.chosen = x.count
	}
	e := &experts{
		router: &linear{name: prefix + x.router, out: x.count, in: a.width, bias: x.routerBias},
		chosen: x.chosen, softmaxFirst: x.softmaxFirst, renormalize: x.renormalize, limit: x.limit,
	}
	for expert := range x.count {
		e.each = append(e.each, gatedMLP(fmt.Sprintf("%sexperts.%d.", prefix, expert), x.gate, x.up, x.down, x.inner, a.width, x.activation))
	}
	if x.stacked != nil {
		stacked := *x.stacked
		stacked.gateUp, stacked.down = prefix+stacked.gateUp, prefix+stacked.down
		e.stacked = &stacked
	}
	b.mlp, b.experts = mlp{}, e
	return e
}

// gatedMLP is an MLP without biases.
func gatedMLP(prefix, gate, up, down string, inner, width int, activation kernels.Activation) mlp {
	return mlp{width: inner, activation: activation,
		gate: &linear{name: prefix + gate, out: inner, in: width},
		up:   &linear{name: prefix + up, out: inner, in: width},
		down: &linear{name: prefix + down, out: width, in: inner}}
}

// describeMixtral is Mistral with experts in every layer.
func describeMixtral(c *config) *architecture {
	s := c.readShape(8, 0)
	k := c.rmsSkeleton(s, 1e-5)
	window := c.optionalCount("sliding_window", 0)
	k.window = func(int) int { return window }
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 1e6}))
	a := k.build()
	x := mixture{prefix: "block_sparse_moe.", router: "gate", gate: "w1", up: "w3", down: "w2", activation: k.activation,
		count: c.expertCount("num_local_experts", 8), inner: s.mlpWidth, chosen: c.count("num_experts_per_tok", 2),
		softmaxFirst: true, renormalize: true}
	for layer := range a.blocks {
		x.put(a, layer)
	}
	return a
}

// expertCount reads the number of experts in a layer.
func (c *config) expertCount(key string, absent int) int { return c.countUpTo(key, absent, 4096) }

// qwenMixture reads the experts of the Qwen families.
func (c *config) qwenMixture(k skeleton, count, chosen, inner int) mixture {
	return mixture{prefix: "mlp.", router: "gate", gate: "gate_proj", up: "up_proj", down: "down_proj", activation: k.activation,
		count: c.expertCount("num_experts", count), inner: c.count("moe_intermediate_size", inner),
		chosen: c.count("num_experts_per_tok", chosen), softmaxFirst: true, renormalize: c.flag("norm_topk_prob", false)}
}

// sparseLayer tells which layers have experts: not those of mlp_only_layers, and every
// decoder_sparse_step-th of the others.
func (c *config) sparseLayer() func(layer int) bool {
	dense, step := c.numbers("mlp_only_layers"), c.count("decoder_sparse_step", 1)
	return func(layer int) bool {
		return !slices.Contains(dense, float64(layer)) && (layer+1)%step == 0
	}
}

// describeQwen3Moe is Qwen3 with experts.
func describeQwen3Moe(c *config) *architecture {
	k := c.qwenSkeleton(c.readShape(4, 0))
	k.qkvBias = c.flag("attention_bias", false)
	k.outputBias = k.qkvBias
	a := k.build()
	k.addHeadNorms(a)
	x, sparse := c.qwenMixture(k, 128, 8, 768), c.sparseLayer()
	for layer := range a.blocks {
		if sparse(layer) {
			x.put(a, layer)
		}
	}
	return a
}

// describeQwen2Moe is Qwen2 with experts and one more MLP that every row passes.
func describeQwen2Moe(c *config) *architecture {
	k := c.qwenSkeleton(c.readShape(16, 0))
	k.qkvBias = c.flag("qkv_bias", true)
	a := k.build()
	x, sparse := c.qwenMixture(k, 60, 4, 1408), c.sparseLayer()
	inner := c.count("shared_expert_intermediate_size", 5632)
	for layer := range a.blocks {
		if !sparse(layer) {
			continue
		}
		e, prefix := x.put(a, layer), fmt.Sprintf("layers.%d.mlp.", layer)
		shared := gatedMLP(prefix+"shared_expert.", "gate_proj", "up_proj", "down_proj", inner, a.width, k.activation)
		e.shared, e.sharedGate = &shared, &linear{name: prefix + "shared_expert_gate", out: 1, in: a.width}
	}
	return a
}

// describeGraniteMoe is Granite with experts, all of them in one tensor.
func describeGraniteMoe(c *config) *architecture {
	a := describeGranite(c)
	x := mixture{prefix: "block_sparse_moe.", router: "router.layer", gate: "gate", up: "up", down: "down",
		activation: a.blocks[0].mlp.activation, count: c.expertCount("num_local_experts", 8), inner: a.mlpWidth,
		chosen: c.count("num_experts_per_tok", 2), stacked: &stackedExperts{gateUp: "input_linear", down: "output_linear"}}
	for layer := range a.blocks {
		x.put(a, layer)
	}
	return a
}

// describeGPTOSS is gpt-oss: biases on all projections, a sink per head, a window on every
// other layer, YaRN, and experts with a clamped activation.
func describeGPTOSS(c *config) *architecture {
	s := c.readShape(8, 64)
	k := c.rmsSkeleton(s, 1e-5)
	k.qkvBias = c.flag("attention_bias", true)
	k.outputBias = k.qkvBias
	window := c.optionalCount("sliding_window", 128)
	types := c.layerTypes(s.layers, func(layer int) string {
		if layer%2 == 0 {
			return slidingAttention
		}
		return fullAttention
	})
	k.window = func(layer int) int { return windowOf(types[layer], window) }
	if c.object("rope_scaling") == nil && c.object("rope_parameters") == nil {
		c.keys["rope_scaling"] = json.RawMessage(`{"rope_type":"yarn","factor":32,"original_max_position_embeddings":4096,"truncate":false}`)
	}
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 150000}))
	a := k.build()
	x := mixture{prefix: "mlp.", router: "router", gate: "gate", up: "up", down: "down", routerBias: true,
		count: c.expertCount("num_local_experts", 128), inner: s.mlpWidth,
		chosen:  c.count("num_experts_per_tok", c.count("experts_per_token", 4)),
		stacked: &stackedExperts{gateUp: "experts.gate_up_proj", down: "experts.down_proj", inFirst: true, interleaved: true, bias: true},
		limit:   float32(c.positive("swiglu_limit", 7))}
	for layer := range a.blocks {
		x.put(a, layer)
		a.blocks[layer].attention.sinks = fmt.Sprintf("layers.%d.self_attn.sinks", layer)
	}
	return a
}
