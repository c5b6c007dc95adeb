package model

import (
	"math"
	"slices"

	"npinf/kernels"
)

// routing is which experts the rows of a buffer go to.
type routing struct {
	indices [][]int     // by row, best first
	weights [][]float32 // of the same experts
}

// experts computes a mixture-of-experts sublayer, [rows, width]. Routing is decided on the
// host, from routed; each expert then runs once, over the rows of in that chose it.
func (r *run) experts(layer int, e *experts, routed, in kernels.Buffer) kernels.Buffer {
	choice := r.route(layer, e, routed)
	out := r.upload(in.Rows, in.Width, make([]float32, in.Rows*in.Width))
	for expert := range e.each {
		var rows []int
		var weights []float32
		for row, chosen := range choice.indices {
			if i := slices.Index(chosen, expert); i >= 0 {
				rows, weights = append(rows, row), append(weights, choice.weights[row][i])
			}
		}
		if len(rows) > 0 {
			m, release := e.expert(r.device, expert)
			r.addExpert(out, in, m, e.limit, rows, weights)
			release()
		}
	}
	if e.shared != nil {
		r.addShared(out, in, e)
	}
	return out
}

// route computes the router's logits and chooses.
func (r *run) route(layer int, e *experts, in kernels.Buffer) routing {
	logits := r.buffer(in.Rows, len(e.each))
	r.linear(logits, in, e.router)
	r.visit(RouterLogits, layer, logits)
	values := make([]float32, logits.Rows*logits.Width)
	r.device.Download(values, logits)
	var choice routing
	for row := range in.Rows {
		indices, weights := e.choose(values[row*logits.Width : (row+1)*logits.Width])
		choice.indices, choice.weights = append(choice.indices, indices), append(choice.weights, weights)
	}
	if r.visited(ExpertWeights, layer) {
		r.visit(ExpertWeights, layer, r.upload(in.Rows, e.chosen, slices.Concat(choice.weights...)))
	}
	if r.visited(ExpertIndices, layer) {
		var indices []float32
		for _, index := range slices.Concat(choice.indices...) {
			indices = append(indices, float32(index))
		}
		r.visit(ExpertIndices, layer, r.upload(in.Rows, e.chosen, indices))
	}
	return choice
}

// choose returns the experts with the largest logits, best first, and their weights.
func (e *experts) choose(logits []float32) ([]int, []float32) {
	order := make([]int, len(logits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	order = order[:e.chosen]
	total := 0.0
	exponential := func(i int) float64 { return math.Exp(float64(logits[i]) - float64(logits[order[0]])) }
	over := order
	if e.softmaxFirst && !e.renormalize {
		over = nil
		for i := range logits {
			total += exponential(i)
		}
	}
	for _, i := range over {
		total += exponential(i)
	}
	weights := make([]float32, e.chosen)
	for i, expert := range order {
		weights[i] = float32(exponential(expert) / total)
		if e.scaleValues != nil {
			weights[i] *= e.scaleValues[expert]
		}
	}
	return order, weights
}

// addExpert adds one expert's weighted output to the given rows.
func (r *run) addExpert(out, in kernels.Buffer, m *mlp, limit float32, rows []int, weights []float32) {
	mark := r.mark()
	defer r.free(mark)
	x := r.buffer(len(rows), in.Width)
	r.device.Gather(x, in, rows)
	gate, up, y := r.buffer(len(rows), m.width), r.buffer(len(rows), m.width), r.buffer(len(rows), in.Width)
	r.together(x, product(gate, m.gate), product(up, m.up))
	if limit > 0 {
		clampedGate(r.device, gate, up, limit)
	} else {
		r.device.Gate(gate, gate, up, m.activation)
	}
	r.linear(y, gate, m.down)
	for i, row := range rows {
		target := r.device.View(out, row, 1, 0, out.Width)
		r.device.AddRow(target, target, r.device.View(y, i, 1, 0, y.Width), weights[i])
	}
}

// addShared adds the shared MLP, weighted by the sigmoid of its gate.
func (r *run) addShared(out, in kernels.Buffer, e *experts) {
	mark := r.mark()
	defer r.free(mark)
	gate := r.buffer(in.Rows, 1)
	r.linear(gate, in, e.sharedGate)
	r.device.Activate(gate, gate, kernels.Sigmoid)
	rows, weights := make([]int, in.Rows), make([]float32, in.Rows)
	for row := range rows {
		rows[row] = row
	}
	r.device.Download(weights, gate)
	r.addExpert(out, in, e.shared, 0, rows, weights)
}

// besideMLP adds a mixture of experts to the output of a dense MLP, each after its norm.
func (r *run) besideMLP(layer int, b *besideMLP, dense kernels.Buffer) {
	r.normalize(dense, dense, b.mlpNorm)
	routed, in := r.buffer(dense.Rows, dense.Width), r.buffer(dense.Rows, dense.Width)
	r.normalize(routed, r.stream, b.routerNorm)
	r.normalize(in, r.stream, b.preNorm)
	out := r.experts(layer, b.experts, routed, in)
	r.normalize(out, out, b.postNorm)
	r.device.Add(dense, dense, out)
}

// upload makes a scratch buffer of host data.
func (r *run) upload(rows, width int, data []float32) kernels.Buffer {
	b := r.device.Upload(rows, width, data)
	r.scratch = append(r.scratch, b)
	return b
}
