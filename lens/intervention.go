package lens

import (
	"math"

	"npinf/kernels"
	"npinf/model"
)

// Operation is what an intervention does to a residual h with a direction d.
type Operation uint8

// The operations. A hat marks length one.
const (
	Add    Operation = iota // h + strength·‖h‖·d, what is added being no longer than h
	Ablate                  // h - (h·d̂)·d̂
	Swap                    // h + (h·d̂)·(t̂ - d̂), t being the other direction
)

// Direction names a token to be steered by.
type Direction struct {
	ID      int
	Carried bool // pulled back through the Jacobian lens where the layer is fitted
}

// Intervention changes residuals at some layers.
type Intervention struct {
	Operation Operation
	Strength  float64 // of Add
	Tokens    []Direction
	Other     Direction // of Swap
	Layers    []int
}

// action is an intervention at one layer, ready to be applied.
type action struct {
	operation Operation
	strength  float64
	length    float64        // of the direction, for Add
	direction kernels.Buffer // d for Add, d̂ else
	moved     kernels.Buffer // what a projection on direction is multiplied with, for Ablate and Swap
}

// Edits makes the intervention edits of the point that the reader reads. spared tells the
// positions that stay as they are. release gives back what the edits hold. Layers whose
// directions have no length are left alone.
func (r *Reader) Edits(change Intervention, point model.Point, spared func(position int) bool) (edits []model.Edit, release func()) {
	var buffers []kernels.Buffer
	upload := func(vector []float32) kernels.Buffer {
		b := r.Device.Upload(1, len(vector), vector)
		buffers = append(buffers, b)
		return b
	}
	for _, layer := range change.Layers {
		a, ok := r.action(change, layer, upload)
		if !ok {
			continue
		}
		edits = append(edits, model.Edit{Address: model.Address{Point: point, Layer: layer},
			Apply: func(device kernels.Device, rows kernels.Buffer, positions []int) {
				a.apply(device, rows, positions, spared)
			}})
	}
	return edits, func() {
		for _, b := range buffers {
			r.Device.Release(b)
		}
	}
}

func (r *Reader) action(change Intervention, layer int, upload func([]float32) kernels.Buffer) (action, bool) {
	source := r.sum(change.Tokens, layer)
	length := norm(source)
	if length == 0 || !(length <= math.MaxFloat32) {
		return action{}, false
	}
	a := action{operation: change.Operation, strength: change.Strength, length: length}
	if change.Operation == Add {
		a.direction = upload(source)
		return a, true
	}
	source = times(source, 1/length)
	moved := times(source, -1)
	if change.Operation == Swap {
		target := r.sum([]Direction{change.Other}, layer)
		if norm(target) == 0 {
			return action{}, false
		}
		for i, v := range times(target, 1/norm(target)) {
			moved[i] += v
		}
	}
	a.direction, a.moved = upload(source), upload(moved)
	return a, true
}

// sum adds up the directions of tokens at a layer, each of length one.
func (r *Reader) sum(tokens []Direction, layer int) []float32 {
	total := make([]float32, r.Model.Info().Width)
	for _, token := range tokens {
		row := r.Model.Unembedding([]int{token.ID})
		direction := make([]float32, row.Width)
		r.Device.Download(direction, row)
		r.Device.Release(row)
		if token.Carried && r.Jacobian.Fits(layer) {
			direction = r.Jacobian.pull(direction, layer)
		}
		length := norm(direction)
		if length == 0 {
			continue
		}
		for i, v := range times(direction, 1/length) {
			total[i] += v
		}
	}
	return total
}

func (a action) apply(device kernels.Device, rows kernels.Buffer, positions []int, spared func(position int) bool) {
	scales := make([]float32, rows.Rows)
	factors := device.NewBuffer(rows.Rows, 1)
	defer func() { device.Release(factors) }()
	if a.operation == Add {
		a.lengths(device, rows, scales)
	} else {
		device.RowDots(factors, rows, a.direction)
		device.Download(scales, factors)
	}
	for i, position := range positions {
		if spared(position) {
			scales[i] = 0
		}
	}
	device.Release(factors)
	factors = device.Upload(rows.Rows, 1, scales)
	if a.operation == Add {
		device.AddScaledRow(rows, factors, a.direction)
	} else {
		device.AddScaledRow(rows, factors, a.moved)
	}
}

// lengths gives the factor of Add for each row: strength·‖h‖, or as much as makes the step as
// long as the row.
func (a action) lengths(device kernels.Device, rows kernels.Buffer, scales []float32) {
	values := make([]float32, rows.Rows*rows.Width)
	device.Download(values, rows)
	factor := a.strength
	if math.Abs(factor)*a.length > 1 {
		factor = math.Copysign(1/a.length, factor)
	}
	for i := range scales {
		scales[i] = float32(factor * norm(values[i*rows.Width:][:rows.Width]))
	}
}

func norm(vector []float32) float64 {
	sum := 0.0
	for _, v := range vector {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

func times(vector []float32, by float64) []float32 {
	out := make([]float32, len(vector))
	for i, v := range vector {
		out[i] = float32(float64(v) * by)
	}
	return out
}
