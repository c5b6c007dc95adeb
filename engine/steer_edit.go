package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"npinf/internal/pyrepr"
	"npinf/kernels"
	"npinf/model"
)

// operation is one steering operation, ready to be applied: a direction at an address.
type operation struct {
	address   model.Address
	method    SteerMethod
	strength  float32        // c
	direction kernels.Buffer // c·v for SimpleAdditive, else u
}

// direction is what a request names for steering, before it is checked.
type direction struct {
	name     string // of the hook or the feature, for messages
	hook     string
	vector   []float32
	strength float64
}

// directions collects what a request steers along.
func (w *world) directions(ctx context.Context, s Steering) ([]direction, error) {
	var all []direction
	for _, f := range s.Features {
		d, err := w.featureDirection(ctx, f)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	for _, v := range s.Vectors {
		vector := make([]float32, len(v.Vector))
		for i, x := range v.Vector {
			vector[i] = float32(x)
		}
		all = append(all, direction{name: v.Hook, hook: v.Hook, vector: vector, strength: v.Strength})
	}
	return all, nil
}

// featureDirection is the decoder direction of a feature, at the hook its source reads. A
// transcoder reads one place and writes another, so its features have no such direction.
func (w *world) featureDirection(ctx context.Context, f SteerFeature) (direction, error) {
	source, err := w.acquireSource(ctx, f.Source)
	if err != nil {
		return direction{}, err
	}
	defer source.release()
	index, err := featureIndex(f.Index, source.facts)
	if err != nil {
		return direction{}, err
	}
	hook := source.source.HookName
	if out, _ := source.source.Metadata["hook_name_out"].(string); out != "" && out != hook {
		return direction{}, invalid("Source %s is a transcoder from %s to %s, and steering along its features is not supported: "+
			"steer along a vector at %s instead", f.Source, hook, out, out)
	}
	vector, err := source.source.DecoderRow(index)
	if err != nil {
		return direction{}, err
	}
	return direction{name: "source " + f.Source, hook: hook, vector: vector, strength: f.Strength}, nil
}

// operations checks directions and places them on the device. release gives them back.
func (w *world) operations(s Steering, directions []direction) (all []operation, release func(), err error) {
	release = func() {
		for _, o := range all {
			w.device.Release(o.direction)
		}
	}
	for _, d := range directions {
		o, err := w.operation(s, d)
		if err != nil {
			release()
			return nil, nil, err
		}
		all = append(all, o)
	}
	return all, release, nil
}

func (w *world) operation(s Steering, d direction) (operation, error) {
	address, err := w.steerable(d)
	if err != nil {
		return operation{}, err
	}
	strength := float32(s.Multiplier * d.strength)
	if !finite(d.vector) || !finite([]float32{strength}) {
		return operation{}, invalid("Steering vector contains inf or nan values")
	}
	vector := d.vector
	if s.Normalize || s.Method != SimpleAdditive {
		if vector = unit(vector); vector == nil {
			return operation{}, invalid("Cannot steer along a zero vector: it has no direction")
		}
	}
	if s.Method == SimpleAdditive {
		vector = scaled(vector, strength)
		if !finite(vector) {
			return operation{}, invalid("Steering vector contains inf or nan values: its strength is too large")
		}
	}
	return operation{address, s.Method, strength, w.device.Upload(1, len(vector), vector)}, nil
}

// steerable finds the address a direction acts at: a point as wide as the residual stream,
// or z. The input of a block is the output of the one before, so that directions at both act
// in the order of the request.
func (w *world) steerable(d direction) (model.Address, error) {
	address, err := w.hookAddress(d.hook)
	if err != nil {
		return address, err
	}
	width, err := w.model.PointWidth(address)
	if err == nil {
		err = w.model.CheckEdit(address)
	}
	if err != nil || width != w.info.Width && address.Point != model.Z {
		return address, invalid("Steering supports the hooks of the residual stream, of what attention and MLP add to it, and attn.hook_z, got %s",
			pyrepr.Quote(d.hook))
	}
	if len(d.vector) != width {
		return address, invalid("Steering vector has length %d, but %s has width %s", len(d.vector), d.name, strconv.Itoa(width))
	}
	if address.Point == model.ResidPre && address.Layer > 0 {
		return model.Address{Point: model.ResidPost, Layer: address.Layer - 1}, nil
	}
	return address, nil
}

// unit brings a vector to length 1; nil for one that has no direction.
func unit(vector []float32) []float32 {
	sum := 0.0
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return nil
	}
	length := math.Sqrt(sum)
	out := make([]float32, len(vector))
	for i, x := range vector {
		out[i] = float32(float64(x) / length)
	}
	return out
}

func scaled(vector []float32, by float32) []float32 {
	out := make([]float32, len(vector))
	for i, x := range vector {
		out[i] = x * by
	}
	return out
}

// edits makes the operations edits of one sequence. The positions marked in spared, which
// are the first of the sequence, are left alone.
func edits(operations []operation, spared []bool) []model.Edit {
	all := make([]model.Edit, len(operations))
	for i, o := range operations {
		all[i] = model.Edit{Address: o.address, Apply: func(device kernels.Device, rows kernels.Buffer, positions []int) {
			o.apply(device, rows, marks(spared, positions))
		}}
	}
	return all
}

// fingerprint tells what steering does to a token: requests with the same one change the same
// prompt alike. It is "" when nothing is changed.
func fingerprint(s Steering, directions []direction, sparesSpecial bool) string {
	if len(directions) == 0 {
		return ""
	}
	hash := sha256.New()
	fmt.Fprintln(hash, s.Method, s.Normalize, s.Multiplier, sparesSpecial)
	for _, d := range directions {
		fmt.Fprintln(hash, strconv.Quote(d.hook), d.strength, len(d.vector))
		_ = binary.Write(hash, binary.LittleEndian, d.vector) // a hash takes everything
	}
	return string(hash.Sum(nil))
}

// marks tells which of some positions are spared; nil when none is.
func marks(spared []bool, positions []int) []bool {
	var found []bool
	for i, position := range positions {
		if position < len(spared) && spared[position] {
			if found == nil {
				found = make([]bool, len(positions))
			}
			found[i] = true
		}
	}
	return found
}

// apply steers rows but those spared.
func (o operation) apply(device kernels.Device, rows kernels.Buffer, spared []bool) {
	if o.method == SimpleAdditive && spared == nil {
		device.AddRow(rows, rows, o.direction, 1)
		return
	}
	scales := make([]float32, rows.Rows)
	if o.method != SimpleAdditive {
		projections := device.NewBuffer(rows.Rows, 1)
		device.RowDots(projections, rows, o.direction)
		device.Download(scales, projections)
		device.Release(projections)
	}
	for i, projection := range scales {
		if scales[i] = o.amount(projection); spared != nil && spared[i] {
			scales[i] = 0
		}
	}
	uploaded := device.Upload(rows.Rows, 1, scales)
	device.AddScaledRow(rows, uploaded, o.direction)
	device.Release(uploaded)
}

// amount is how much of the direction a row with the given projection on it gets.
func (o operation) amount(projection float32) float32 {
	switch o.method {
	case OrthogonalParts:
		return (o.strength - 1) * projection
	case ProjectionCap:
		return min(projection, o.strength) - projection
	}
	return 1
}
