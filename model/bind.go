package model

import (
	"fmt"

	"npinf/kernels"
	"npinf/weights"
)

// binder gives an architecture its weights.
type binder struct {
	*weights.Binding
	device  kernels.Device
	convert *kernels.DType // nil keeps the stored type
	int8    bool           // of what rows are multiplied with
	experts *expertCache   // for experts that stay packed
	borrow  bool
	prefix  string

	parameters int64
	bytes      int64
	rounds     bool             // some products round their inputs
	buffers    []kernels.Buffer // norms and biases, released by Close
	weights    []*kernels.Weight
}

// bind loads every weight the architecture names. Everything that is missing, mis-shaped,
// unusable or left over is in the one error.
func (a *architecture) bind(b *binder) error {
	b.prefix = b.Prefix(a.embedding.tokens.name+".weight", a.prefixes...)
	for i := range a.blocks {
		if e := a.blocks[i].anyExperts(); e != nil && e.stacked != nil && e.stacked.optional && !b.Has(b.prefix+e.stacked.gateUp) {
			e.stacked = nil
		}
	}
	a.eachLinear(func(l *linear) { b.linear(b.prefix+l.name, l, nil) })
	for i := range a.blocks {
		attention := &a.blocks[i].attention
		if attention.fused != nil {
			b.linear(b.prefix+attention.fused.name, attention.fused, attention.fusedOrder)
		}
		if attention.queryGate != nil {
			b.linear(b.prefix+attention.queryGate.name, attention.queryGate, attention.gateOrder)
		}
		if recurrent := a.blocks[i].recurrent; recurrent != nil {
			b.recurrent(recurrent)
		}
		if attention.sinks != "" {
			attention.sinkRow = b.vector(b.prefix+attention.sinks, []int{attention.heads}, nil, 0)
		}
		if scalar := a.blocks[i].scalar; scalar != "" {
			a.blocks[i].scalarValue = b.number(b.prefix + scalar)
		}
		if e := a.blocks[i].anyExperts(); e != nil {
			b.expertParts(e)
		}
	}
	a.eachNorm(func(n *norm) { b.norm(b.prefix+n.name, n) })
	b.head(a)
	return b.Finish()
}

// eachLinear visits the matrices of the trunk, except for those that bind loads in a way
// of their own: fused projections, stacked experts and the head.
func (a *architecture) eachLinear(visit func(*linear)) {
	some := func(parts ...*linear) {
		for _, part := range parts {
			if part != nil {
				visit(part)
			}
		}
	}
	some(a.embedding.tokens, a.embedding.positions, a.embedding.projection, a.head.projection)
	if p := a.embedding.perLayer; p != nil {
		some(p.tokens, p.projection)
	}
	for i := range a.blocks {
		b := &a.blocks[i]
		some(b.attention.query, b.attention.key, b.attention.value, b.attention.output)
		some(b.mlp.gate, b.mlp.up, b.mlp.gateUp, b.mlp.down)
		if a := b.recurrent; a != nil {
			some(a.output)
			if a.fusedGate == "" {
				some(a.mixed, a.gate, a.beta, a.decay)
			}
		}
		if b.perLayer != nil {
			some(b.perLayer.gate, b.perLayer.projection)
		}
		if e := b.anyExperts(); e != nil {
			some(e.router, e.sharedGate)
			if e.shared != nil {
				some(e.shared.gate, e.shared.up, e.shared.down)
			}
			for j := range e.each {
				if e.stacked == nil {
					some(e.each[j].gate, e.each[j].up, e.each[j].down)
				}
			}
		}
	}
}

// eachNorm visits the norms.
func (a *architecture) eachNorm(visit func(*norm)) {
	some := func(parts ...*norm) {
		for _, part := range parts {
			if part != nil {
				visit(part)
			}
		}
	}
	for i := range a.blocks {
		b := &a.blocks[i]
		some(b.attnNorm, b.attnPostNorm, b.mlpNorm, b.mlpPostNorm, b.attention.queryNorm, b.attention.keyNorm, b.attention.valueNorm)
		if b.recurrent != nil {
			some(b.recurrent.norm)
		}
		if b.perLayer != nil {
			some(b.perLayer.norm)
		}
		if b.beside != nil {
			some(b.beside.mlpNorm, b.beside.preNorm, b.beside.postNorm, b.beside.routerNorm)
		}
	}
	if a.embedding.perLayer != nil {
		some(a.embedding.perLayer.norm)
	}
	some(a.finalNorm)
}

// head loads the output matrix or ties it. A tied model's file may still carry a copy.
func (b *binder) head(a *architecture) {
	if !a.head.tied {
		b.linear(b.Prefix(".weight", a.head.names...), a.head.output, nil)
		return
	}
	for _, name := range a.head.names {
		b.Ignore(name + ".weight")
	}
	a.head.output = a.embedding.tokens
	if b.int8 {
		a.head.output = b.int8Head(a)
	}
}

// linear loads a matrix and its bias. order, when not nil, lists which rows go where:
// row i of the loaded matrix is stored row order()[i]; it is asked only for tensors whose
// shape is right.
func (b *binder) linear(name string, l *linear, order func() []int) {
	stored := []int{l.out, l.in}
	if l.transposed {
		stored = []int{l.in, l.out}
	}
	if tensor, ok := b.Take(name+".weight", stored...); ok {
		if err := b.place(l, tensor, rowsOf(order)); err != nil {
			b.Refuse(err)
		}
	}
	if l.bias {
		l.biasRow = b.vector(name+".bias", []int{l.out}, order, 0)
	}
}

func rowsOf(order func() []int) []int {
	if order == nil {
		return nil
	}
	return order()
}

func (b *binder) place(l *linear, tensor weights.Tensor, order []int) error {
	matrix, err := tensor.Matrix(l.transposed, b.borrow)
	if err != nil {
		return err
	}
	if order != nil {
		matrix.Data, matrix.Borrow = reorderRows(matrix, order), false // a large weight belongs outside the Go heap
		matrix.Out = len(order)
	}
	matrix.MayRound = !l.exact
	if wanted := b.storage(l); wanted != nil && *wanted != matrix.DType {
		matrix.Convert = wanted
	}
	l.weight, err = b.device.LoadWeight(matrix)
	if err != nil {
		return fmt.Errorf("tensor %s: %w", tensor.Name, err)
	}
	b.weights = append(b.weights, l.weight)
	if !matrix.Borrow || matrix.Transposed || matrix.Convert != nil || order != nil {
		b.Drop(tensor) // it lies in memory of its own now
	}
	b.parameters += int64(l.out) * int64(l.in)
	b.bytes += l.weight.Bytes()
	b.rounds = b.rounds || l.weight.Rounds()
	return nil
}

// reorderRows copies rows of a matrix that is stored [out, in]: row i is stored row order[i].
func reorderRows(matrix kernels.HostMatrix, order []int) []byte {
	size := matrix.In * matrix.DType.Size()
	data := make([]byte, 0, len(order)*size)
	for _, row := range order {
		data = append(data, matrix.Data[row*size:(row+1)*size]...)
	}
	return data
}

// vector loads a tensor of any shape as one float32 row, in the given order and with add
// added to every element.
func (b *binder) vector(name string, shape []int, order func() []int, add float32) kernels.Buffer {
	tensor, ok := b.Take(name, shape...)
	if !ok {
		return kernels.Buffer{}
	}
	values, err := tensor.Floats()
	if err != nil {
		b.Refuse(err)
		return kernels.Buffer{}
	}
	if rows := rowsOf(order); rows != nil {
		ordered := make([]float32, len(values))
		for i, row := range rows {
			ordered[i] = values[row]
		}
		values = ordered
	}
	for i := range values {
		values[i] += add
	}
	return b.upload(values)
}

// upload places a float32 row on the device until Close.
func (b *binder) upload(values []float32) kernels.Buffer {
	b.parameters += int64(len(values))
	b.bytes += int64(len(values)) * 4
	row := b.device.Upload(1, len(values), values)
	b.buffers = append(b.buffers, row)
	return row
}

// norm loads a norm's gain and bias.
func (b *binder) norm(name string, n *norm) {
	n.loaded = kernels.Norm{Kind: n.kind, Eps: n.eps, Group: n.group}
	if n.bare {
		return
	}
	add := float32(0)
	if n.addOne {
		add = 1
	}
	suffix := ".weight"
	if n.unsuffixed {
		suffix = ""
	}
	n.loaded.Gain = b.vector(name+suffix, n.shape, nil, add)
	if n.factor != 0 && !n.loaded.Gain.IsZero() {
		b.device.Scale(n.loaded.Gain, n.loaded.Gain, n.factor)
	}
	if n.bias {
		n.loaded.Bias = b.vector(name+".bias", n.shape, nil, 0)
	}
}

// number loads a tensor of one element.
func (b *binder) number(name string) float32 {
	values := b.numbers(name, []int{1})
	if values == nil {
		return 0
	}
	return values[0]
}

// numbers loads values that stay in host memory.
func (b *binder) numbers(name string, shape []int) []float32 {
	tensor, ok := b.Take(name, shape...)
	if !ok {
		return nil
	}
	values, err := tensor.Floats()
	if err != nil {
		b.Refuse(err)
	}
	return values
}
