package model

import (
	"math"

	"npinf/kernels"
)

// embedPerLayer makes the vectors of all blocks, [rows, blocks·width]:
// (lookup·√width + norm(projection(embedding)/√d_model)) / √2.
func (r *run) embedPerLayer(p *perLayerEmbedding, tokens []int, embedded kernels.Buffer) {
	r.perLayer = r.buffer(len(tokens), p.tokens.in)
	r.device.Embed(r.perLayer, p.tokens.weight, tokens, float32(math.Sqrt(float64(p.width))), false)
	mark := r.mark()
	projected := r.buffer(len(tokens), p.projection.out)
	r.linear(projected, embedded, p.projection)
	r.device.Scale(projected, projected, float32(1/math.Sqrt(float64(embedded.Width))))
	r.normalize(projected, projected, p.norm)
	r.device.Add(r.perLayer, r.perLayer, projected)
	r.device.Scale(r.perLayer, r.perLayer, float32(math.Sqrt(0.5)))
	r.free(mark)
}

// addPerLayer adds a block's per-layer branch to the residual stream.
func (r *run) addPerLayer(layer int, p *perLayerBranch) {
	vector := r.device.View(r.perLayer, 0, r.stream.Rows, layer*p.gate.out, p.gate.out)
	gate := r.buffer(r.stream.Rows, p.gate.out)
	r.linear(gate, r.stream, p.gate)
	r.device.Gate(gate, gate, vector, p.activation)
	out := r.buffer(r.stream.Rows, r.stream.Width)
	r.linear(out, gate, p.projection)
	r.normalize(out, out, p.norm)
	r.device.Add(r.stream, r.stream, out)
}
