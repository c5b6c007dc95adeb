package model

import (
	"encoding/binary"
	"fmt"
	"math"

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
	gateUp := b.stack(b.prefix+s.gateUp, count, 2*inner, width, s.inFirst)
	down := b.stack(b.prefix+s.down, count, width, inner, s.inFirst)
	var gateUpBias, downBias []float32
	if s.bias {
		gateUpBias = b.stackedBias(b.prefix+s.gateUp+"_bias", count, 2*inner)
		downBias = b.stackedBias(b.prefix+s.down+"_bias", count, width)
	}
	if gateUp == nil || down == nil || s.bias && (gateUpBias == nil || downBias == nil) {
		return // named by Finish
	}
	first, second := partRows(inner, s.interleaved)
	every, _ := partRows(width, false)
	for i := range e.each {
		m := &e.each[i]
		b.expert(m.gate, gateUp[i], first, gateUpBias, i*2*inner)
		b.expert(m.up, gateUp[i], second, gateUpBias, i*2*inner)
		b.expert(m.down, down[i], every, downBias, i*width)
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

// expert loads some rows of one expert's [out, in] matrix, and its part of the biases.
func (b *binder) expert(l *linear, matrix weights.Tensor, rows []int, biases []float32, start int) {
	if err := b.place(l, matrix, rows); err != nil {
		b.Refuse(err)
		return
	}
	if biases == nil {
		return
	}
	part := make([]float32, len(rows))
	for i, row := range rows {
		part[i] = biases[start+row]
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

// stack returns the [out, in] matrix of every expert, nil when the file lacks them. Files
// hold them as one array of three dimensions or, quantized, as MXFP4 blocks and scales.
func (b *binder) stack(name string, count, out, in int, inFirst bool) []weights.Tensor {
	if b.Has(name + "_blocks") {
		return b.unpackMXFP4(name, count, out, in)
	}
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

// mxfp4Block is the number of inputs that share a scale.
const mxfp4Block = 32

// e2m1 is the table of the 4-bit floats: sign, two bits of exponent, one of fraction.
var e2m1 = [16]float64{0, 0.5, 1, 1.5, 2, 3, 4, 6, math.Copysign(0, -1), -0.5, -1, -1.5, -2, -3, -4, -6}

// unpackMXFP4 widens blocks [experts, out, in/32, 16] of two values a byte, low half
// first, with scales [experts, out, in/32] of exponent + 127, to bfloat16, which holds
// every such value exactly.
func (b *binder) unpackMXFP4(name string, count, out, in int) []weights.Tensor {
	groups := in / mxfp4Block
	blocks, haveBlocks := b.Take(name+"_blocks", count, out, groups, mxfp4Block/2)
	scales, haveScales := b.Take(name+"_scales", count, out, groups)
	if !haveBlocks || !haveScales {
		return nil
	}
	if blocks.DType != "U8" || scales.DType != "U8" || in%mxfp4Block != 0 {
		b.Refuse(fmt.Errorf("tensor %s has %s blocks and %s scales for %d inputs, want U8 and a multiple of %d", name, blocks.DType, scales.DType, in, mxfp4Block))
		return nil
	}
	perExpert := out * groups
	matrices := make([]weights.Tensor, count)
	for i := range matrices {
		data := make([]byte, 0, out*in*2)
		for group := i * perExpert; group < (i+1)*perExpert; group++ {
			exponent := int(scales.Data[group]) - 127
			for _, pair := range blocks.Data[group*mxfp4Block/2 : (group+1)*mxfp4Block/2] {
				for _, nibble := range []byte{pair & 15, pair >> 4} {
					value := float32(math.Ldexp(e2m1[nibble], exponent))
					data = binary.LittleEndian.AppendUint16(data, uint16(math.Float32bits(value)>>16))
				}
			}
		}
		matrices[i] = weights.Tensor{Name: name + "_blocks", DType: "BF16", Shape: []int{out, in}, Data: data}
	}
	return matrices
}
