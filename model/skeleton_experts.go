package model

import (
	"fmt"

	"npinf/kernels"
)

// mixture is what the sparse families vary about their experts. Names are relative to
// "layers.<layer>.".
type mixture struct {
	prefix, router string // "mlp." and "gate"
	gate, up, down string
	count, inner   int
	chosen         int
	activation     kernels.Activation
	softmaxFirst   bool
	renormalize    bool
	stacked        *stackedExperts // names relative to prefix
	routerBias     bool
	limit          float32
}

// put replaces a layer's MLP by experts.
func (x mixture) put(a *architecture, layer int) *experts {
	b, prefix := &a.blocks[layer], fmt.Sprintf("layers.%d.%s", layer, x.prefix)
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
