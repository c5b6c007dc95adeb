package model

import "fmt"

// describeQwen3Next is Qwen3-Next: three layers of four are linear attention with fused
// projections, the fourth is softmax attention with a gate; experts everywhere.
func describeQwen3Next(c *config) *architecture {
	a, k := c.describeHybrid(2, true)
	x := c.qwenMixture(k, 512, 10, 512)
	x.renormalize = c.flag("norm_topk_prob", true)
	c.putSharedMixture(a, k, x, 512, c.sparseLayer())
	return a
}

// describeQwen35 is Qwen3.5: as Qwen3-Next with separate projections and dense MLPs.
func describeQwen35(c *config) *architecture {
	a, _ := c.describeHybrid(4, false)
	return a
}

// describeQwen35Moe is Qwen3.5 with experts, whose weights are always renormalised. Released
// files stack the experts in one tensor.
func describeQwen35Moe(c *config) *architecture {
	if !c.has("intermediate_size") && c.has("moe_intermediate_size") { // no layer has a dense MLP
		c.keys["intermediate_size"] = c.keys["moe_intermediate_size"]
	}
	a, k := c.describeHybrid(2, false)
	x := c.qwenMixture(k, 256, 8, 512)
	x.renormalize = true
	x.stacked = &stackedExperts{gateUp: "experts.gate_up_proj", down: "experts.down_proj", optional: true}
	c.putSharedMixture(a, k, x, 512, func(int) bool { return true })
	return a
}

// describeHybrid reads what the three share.
func (c *config) describeHybrid(kvHeads int, fused bool) (*architecture, skeleton) {
	s := c.readShape(kvHeads, 256)
	k := c.rmsSkeleton(s, 1e-6)
	k.newNorm = func(name string, width int) *norm {
		n := rmsNorm(name, width, k.rmsEps)
		n.addOne = true
		return n
	}
	k.qkvBias = c.flag("attention_bias", false)
	k.outputBias = k.qkvBias
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: 10000, partial: 0.25}))
	interval := c.count("full_attention_interval", 4)
	types := c.layerTypesOf(s.layers, []string{linearAttention, fullAttention}, func(layer int) string {
		if (layer+1)%interval == 0 {
			return fullAttention
		}
		return linearAttention
	})
	if !c.flag("attn_output_gate", true) {
		c.fail("attn_output_gate = false is not supported")
	}
	a := k.build()
	a.ignored = []string{"mtp.", "model.visual."}
	k.addHeadNorms(a)
	template := c.readRecurrent(k, fused)
	for layer := range a.blocks {
		b := &a.blocks[layer]
		if types[layer] == linearAttention {
			b.attention, b.recurrent = attention{}, template(fmt.Sprintf("layers.%d.linear_attn.", layer))
			continue
		}
		query := b.attention.query
		b.attention.queryGate = &linear{name: query.name, out: 2 * query.out, in: query.in, bias: query.bias}
		b.attention.query = nil
	}
	return a, k
}

// readRecurrent returns what makes the linear attention of a layer with the given prefix.
func (c *config) readRecurrent(k skeleton, fused bool) func(prefix string) *recurrent {
	dims := recurrent{
		keyHeads: c.count("linear_num_key_heads", 16), valueHeads: c.count("linear_num_value_heads", 32),
		keyDim: c.count("linear_key_head_dim", 128), valueDim: c.count("linear_value_head_dim", 128),
		kernel: c.count("linear_conv_kernel_dim", 4),
	}
	return func(prefix string) *recurrent {
		a := dims
		a.mixed = &linear{name: prefix + "in_proj_qkv", out: a.channels(), in: k.width}
		a.gate = &linear{name: prefix + "in_proj_z", out: a.valueWidth(), in: k.width}
		a.beta = &linear{name: prefix + "in_proj_b", out: a.valueHeads, in: k.width}
		a.decay = &linear{name: prefix + "in_proj_a", out: a.valueHeads, in: k.width}
		if fused {
			a.fusedGate, a.fusedRates = prefix+"in_proj_qkvz", prefix+"in_proj_ba"
		}
		a.names = recurrentNames{conv: prefix + "conv1d.weight", logRate: prefix + "A_log", timeBias: prefix + "dt_bias"}
		a.norm = rmsNorm(prefix+"norm", a.valueDim, k.rmsEps) // by the plain weight
		a.norm.group = a.valueDim
		a.output = &linear{name: prefix + "out_proj", out: k.width, in: a.valueWidth()}
		return &a
	}
}
