package model

import (
	"encoding/json"
	"fmt"
)

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
