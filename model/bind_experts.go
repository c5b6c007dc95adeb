package model

import (
	"fmt"
	"slices"

	"npinf/kernels"
	"npinf/weights"
)

// expertParts loads what eachLinear leaves out of a mixture of experts.
func (b *binder) expertParts(e *experts) {
	if e.scales != "" {
		e.scaleValues = b.numbers(b.prefix+e.scales, []int{len(e.each)})
	}
	if e.stacked != nil {
		b.stackedExperts(e)
	}
}

// stackedExperts loads experts whose matrices lie in one tensor each: gate and up
// together, and down.
func (b *binder) stackedExperts(e *experts) {
	s, count := e.stacked, len(e.each)
	inner, width := e.each[0].width, e.router.in
	packed := b.Has(b.prefix + s.gateUp + "_blocks")
	var gateUp, down []weights.Tensor
	ok := packed && b.packExperts(e)
	if !packed {
		gateUp = b.stack(b.prefix+s.gateUp, count, 2*inner, width, s.inFirst)
		down = b.stack(b.prefix+s.down, count, width, inner, s.inFirst)
		ok = gateUp != nil && down != nil
	}
	var gateUpBias, downBias []float32
	if s.bias {
		gateUpBias = b.stackedBias(b.prefix+s.gateUp+"_bias", count, 2*inner)
		downBias = b.stackedBias(b.prefix+s.down+"_bias", count, width)
	}
	if !ok || s.bias && (gateUpBias == nil || downBias == nil) {
		return // named by Finish
	}
	first, second := partRows(inner, s.interleaved)
	every, _ := partRows(width, false)
	for i := range e.each {
		m := &e.each[i]
		if !packed {
			b.expert(m.gate, gateUp[i], first)
			b.expert(m.up, gateUp[i], second)
			b.expert(m.down, down[i], every)
		}
		if s.bias {
			b.expertBias(m.gate, first, gateUpBias[i*2*inner:])
			b.expertBias(m.up, second, gateUpBias[i*2*inner:])
			b.expertBias(m.down, every, downBias[i*width:])
		}
	}
}

// partRows lists the rows of the gate and of the up matrix inside the stored one.
func partRows(inner int, interleaved bool) (first, second []int) {
	for row := range inner {
		if interleaved {
			first, second = append(first, 2*row), append(second, 2*row+1)
		} else {
			first, second = append(first, row), append(second, inner+row)
		}
	}
	return first, second
}

// expert loads some rows of one expert's [out, in] matrix. Rows that lie one after the
// other may stay where they are.
func (b *binder) expert(l *linear, matrix weights.Tensor, rows []int) {
	size := len(matrix.Data) / matrix.Shape[0]
	if first := rows[0]; rows[len(rows)-1] == first+len(rows)-1 {
		matrix.Data, matrix.Shape, rows = matrix.Data[first*size:(first+len(rows))*size], []int{len(rows), matrix.Shape[1]}, nil
	}
	if err := b.place(l, matrix, rows); err != nil {
		b.Refuse(err)
	}
}

// expertBias loads the elements of an expert's biases that belong to some rows.
func (b *binder) expertBias(l *linear, rows []int, biases []float32) {
	part := make([]float32, len(rows))
	for i, row := range rows {
		part[i] = biases[row]
	}
	l.biasRow = b.upload(part)
}

func (b *binder) stackedBias(name string, count, out int) []float32 {
	tensor, ok := b.Take(name, count, out)
	if !ok {
		return nil
	}
	values, err := tensor.Floats()
	if err != nil {
		b.Refuse(err)
	}
	return values
}

// stack returns the [out, in] matrix of every expert, nil when the file lacks them.
func (b *binder) stack(name string, count, out, in int, inFirst bool) []weights.Tensor {
	full := name
	if b.Has(name + ".weight") {
		full += ".weight"
	}
	shape := []int{count, out, in}
	if inFirst {
		shape = []int{count, in, out}
	}
	tensor, ok := b.Take(full, shape...)
	if !ok {
		return nil
	}
	size := len(tensor.Data) / count
	matrices := make([]weights.Tensor, count)
	for i := range matrices {
		data := tensor.Data[i*size : (i+1)*size]
		if inFirst {
			data = transposed(data, in, out, size/(in*out))
		}
		matrices[i] = weights.Tensor{Name: full, DType: tensor.DType, Shape: []int{out, in}, Data: data}
	}
	return matrices
}

// transposed turns a [rows, columns] array of elements into [columns, rows].
func transposed(data []byte, rows, columns, size int) []byte {
	result := make([]byte, len(data))
	for r := range rows {
		for c := range columns {
			copy(result[(c*rows+r)*size:(c*rows+r+1)*size], data[(r*columns+c)*size:])
		}
	}
	return result
}

// packExperts keeps experts that are stored as MXFP4 as they are. ok is false when the
// file's tensors cannot be those of the architecture; Finish says why.
func (b *binder) packExperts(e *experts) (ok bool) {
	s, count, inner, width := e.stacked, len(e.each), e.each[0].width, e.router.in
	gateUp, haveGateUp := b.takeMXFP4(b.prefix+s.gateUp, count, 2*inner, width)
	down, haveDown := b.takeMXFP4(b.prefix+s.down, count, width, inner)
	if !haveGateUp || !haveDown {
		return false
	}
	p := &packedExperts{gateUp: gateUp, down: down, cache: b.experts, width: inner, output: width, exact: b.convert != nil && *b.convert != kernels.BF16}
	p.gates, p.ups = partRows(inner, s.interleaved)
	p.all, _ = partRows(width, false)
	e.packed = p
	b.parameters += 3 * int64(count) * int64(inner) * int64(width)
	b.bytes += gateUp.bytes() + down.bytes()
	return true
}

// takeMXFP4 takes the blocks and scales of a stacked matrix [experts, out, in].
func (b *binder) takeMXFP4(name string, count, out, in int) (mxfp4, bool) {
	groups := in / mxfp4Block
	blocks, haveBlocks := b.Take(name+"_blocks", count, out, groups, mxfp4Block/2)
	scales, haveScales := b.Take(name+"_scales", count, out, groups)
	if !haveBlocks || !haveScales {
		return mxfp4{}, false
	}
	if blocks.DType != "U8" || scales.DType != "U8" || in%mxfp4Block != 0 {
		b.Refuse(fmt.Errorf("tensor %s has %s blocks and %s scales for %d inputs, want U8 and a multiple of %d", name, blocks.DType, scales.DType, in, mxfp4Block))
		return mxfp4{}, false
	}
	m := mxfp4{blocks: blocks.Data, scales: scales.Data, out: out, groups: groups, in: in}
	if !b.borrow {
		m.blocks, m.scales = slices.Clone(m.blocks), slices.Clone(m.scales)
	}
	return m, true
}
