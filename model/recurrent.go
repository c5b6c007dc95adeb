package model

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"npinf/kernels"
)

// recurrentState is what a linear attention remembers of a sequence.
type recurrentState struct {
	window []float32 // [kernel-1, channels], the last inputs of the convolution
	memory []float32 // [valueHeads, keyDim, valueDim]
}

// stateAfter copies the state a sequence comes with, or makes the empty one.
func (a *recurrent) stateAfter(cache *Cache, layer int) *recurrentState {
	if cache != nil && cache.layers[layer].state != nil {
		old := cache.layers[layer].state
		return &recurrentState{slices.Clone(old.window), slices.Clone(old.memory)}
	}
	return &recurrentState{
		window: make([]float32, (a.kernel-1)*a.channels()),
		memory: make([]float32, a.valueHeads*a.keyDim*a.valueDim),
	}
}

// recurrent computes z, [rows, valueHeads·valueDim], of a linear attention. The projections
// run on the device; the recurrence, which has no parallel form over positions, runs on the
// host, one value head apart from the other.
func (r *run) recurrent(layer int, a *recurrent, in, z kernels.Buffer) {
	mark := r.mark()
	defer r.free(mark)
	mixed, gate := r.buffer(in.Rows, a.channels()), r.buffer(in.Rows, a.valueWidth())
	beta, decay := r.buffer(in.Rows, a.valueHeads), r.buffer(in.Rows, a.valueHeads)
	r.together(in, product(mixed, a.mixed), product(gate, a.gate), product(beta, a.beta), product(decay, a.decay))
	for _, m := range r.active {
		host := func(b kernels.Buffer) []float32 {
			values := make([]float32, m.count*b.Width)
			r.device.Download(values, r.device.View(b, m.start, m.count, 0, b.Width))
			return values
		}
		state := a.stateAfter(m.Cache, layer)
		convolved := a.convolve(host(mixed), state)
		result := a.scan(convolved, host(beta), host(decay), state)
		r.device.Copy(r.device.View(z, m.start, m.count, 0, z.Width), r.upload(m.count, z.Width, result))
		if m.Cache != nil {
			if m.states == nil {
				m.states = map[int]*recurrentState{}
			}
			m.states[layer] = state
		}
	}
	r.normalize(z, z, a.norm)
	r.device.Gate(z, gate, z, kernels.SiLU)
	r.visit(Z, layer, z)
}

// convolve applies the causal convolution of every channel, and SiLU, to rows [n, channels]:
// out[t] = silu(Σ_j conv[j]·x[t-kernel+1+j]). The last inputs stay in the state.
func (a *recurrent) convolve(rows []float32, state *recurrentState) []float32 {
	channels := a.channels()
	inputs := append(slices.Clone(state.window), rows...)
	out := make([]float32, len(rows))
	for at := range out {
		channel := at % channels
		sum := float32(0)
		for j := range a.kernel {
			sum += a.conv[channel*a.kernel+j] * inputs[at+j*channels]
		}
		out[at] = float32(float64(sum) / (1 + math.Exp(-float64(sum))))
	}
	copy(state.window, inputs[len(inputs)-len(state.window):])
	return out
}

// scan runs the gated delta rule over rows queries | keys | values.
func (a *recurrent) scan(rows, beta, decay []float32, state *recurrentState) []float32 {
	count := len(beta) / a.valueHeads
	out := make([]float32, count*a.valueWidth())
	workers := min(runtime.GOMAXPROCS(0), a.valueHeads)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for head := worker; head < a.valueHeads; head += workers {
				a.scanHead(head, count, rows, beta, decay, state, out)
			}
		})
	}
	group.Wait()
	return out
}

// scanHead is scan for one value head. With S its memory and q, k of length one:
//
//	S    = S · exp(-exp(logRate) · softplus(decay + timeBias))
//	S    = S + k ⊗ (v - kᵀS) · σ(beta)
//	out  = qᵀS / √keyDim
func (a *recurrent) scanHead(head, count int, rows, beta, decay []float32, state *recurrentState, out []float32) {
	keyHead := head / (a.valueHeads / a.keyHeads)
	size := a.keyDim * a.valueDim
	memory := state.memory[head*size : (head+1)*size]
	query, key := make([]float32, a.keyDim), make([]float32, a.keyDim)
	change := make([]float32, a.valueDim)
	for t := range count {
		row := rows[t*a.channels() : (t+1)*a.channels()]
		toUnit(query, row[keyHead*a.keyDim:], 1/math.Sqrt(float64(a.keyDim)))
		toUnit(key, row[a.keyWidth()+keyHead*a.keyDim:], 1)
		value := row[2*a.keyWidth()+head*a.valueDim:][:a.valueDim]
		rate := softplus(float64(decay[t*a.valueHeads+head]) + float64(a.timeBias[head]))
		forget := float32(math.Exp(-math.Exp(float64(a.logRate[head])) * rate))
		write := float32(1 / (1 + math.Exp(-float64(beta[t*a.valueHeads+head]))))

		clear(change)
		for i, k := range key {
			line := memory[i*a.valueDim : (i+1)*a.valueDim]
			for j := range line {
				line[j] *= forget
				change[j] += k * line[j]
			}
		}
		for j, held := range change {
			change[j] = (value[j] - held) * write
		}
		result := out[t*a.valueWidth()+head*a.valueDim:][:a.valueDim]
		for i, k := range key {
			line := memory[i*a.valueDim : (i+1)*a.valueDim]
			for j := range line {
				line[j] += k * change[j]
				result[j] += query[i] * line[j]
			}
		}
	}
}

// toUnit scales the first len(dst) values of src to length scale.
func toUnit(dst, src []float32, scale float64) {
	sum := 0.0
	for _, v := range src[:len(dst)] {
		sum += float64(v) * float64(v)
	}
	factor := float32(scale / math.Sqrt(sum+1e-6))
	for i := range dst {
		dst[i] = src[i] * factor
	}
}

// softplus is ln(1 + e^x) without overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
