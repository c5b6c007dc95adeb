package model

import "npinf/kernels"

// execute is the forward pass: embedding, blocks, head. It leaves as soon as no sequence
// needs more.
func (r *run) execute() error {
	r.embed()
	for layer := range r.arch.blocks {
		r.visit(ResidPre, layer, r.stream)
		r.visitNormalized(LN1Normalized, layer)
		if !r.keep(depth(layer, atAttention, len(r.arch.blocks))) {
			return nil
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		r.block(layer)
	}
	if r.keep(depth(0, atHead, len(r.arch.blocks))) {
		r.head()
	}
	return nil
}

// embed makes the input of block 0, [rows, width], from the tokens.
func (r *run) embed() {
	e := &r.arch.embedding
	tokens := r.list[:0]
	for _, m := range r.active {
		tokens = append(tokens, m.Tokens...)
	}
	r.list = tokens
	r.whole = r.buffer(len(tokens), r.arch.width)
	r.stream = r.whole
	embedded := r.whole
	if e.projection != nil {
		embedded = r.buffer(len(tokens), e.tokens.in)
	}
	r.device.Embed(embedded, e.tokens.weight, tokens, e.scale, false)
	r.visit(Embeddings, -1, embedded)
	if e.perLayer != nil {
		r.embedPerLayer(e.perLayer, tokens, embedded)
	}
	if e.projection != nil {
		r.linear(r.whole, embedded, e.projection)
	}
	if e.multiplier != 1 {
		r.device.Scale(r.whole, r.whole, e.multiplier)
	}
	if e.positions != nil {
		rows := r.list[:0]
		for _, position := range r.positions {
			rows = append(rows, position+e.positionOffset)
		}
		r.device.Embed(r.whole, e.positions.weight, rows, 1, true)
	}
}

// block runs one transformer block on the residual stream.
func (r *run) block(layer int) {
	b := &r.arch.blocks[layer]
	mark := r.mark()
	defer r.free(mark)

	attnIn, mlpIn := r.inputs(layer, b)
	z := r.buffer(r.stream.Rows, b.mixerWidth()) // "z" of every kind of attention
	if b.recurrent != nil {
		r.recurrent(layer, b.recurrent, attnIn, z)
	} else {
		r.attention(layer, &b.attention, attnIn, z)
	}
	z, mlpIn = r.narrow(layer, z, mlpIn)
	r.contribute(layer, AttnOut, AttnOutPost, z, b.mixerOutput(), b.attnPostNorm, b.residualMultiplier)
	if b.normAfterSum {
		r.normalize(r.stream, r.stream, b.attnNorm)
	}
	if !b.parallel {
		r.visit(ResidMid, layer, r.stream)
		r.visitNormalized(LN2Normalized, layer)
	}
	if !r.keep(depth(layer, atMLP, len(r.arch.blocks))) {
		return
	}
	if b.parallel {
		mlpIn = r.device.View(mlpIn, 0, r.stream.Rows, 0, mlpIn.Width)
	} else {
		mlpIn = r.input(layer, MLPIn, b.mlpNorm, b.normAfterSum)
	}
	r.feedForward(layer, b, mlpIn)
	if b.normAfterSum {
		r.normalize(r.stream, r.stream, b.mlpNorm)
	}
	if b.perLayer != nil {
		r.addPerLayer(layer, b.perLayer)
	}
	if b.scalar != "" {
		r.device.Scale(r.stream, r.stream, b.scalarValue)
	}
	r.visit(ResidPost, layer, r.stream)
}

// feedForward adds the MLP, or the experts in its place, to the residual stream.
func (r *run) feedForward(layer int, b *block, in kernels.Buffer) {
	if b.experts != nil {
		out := r.experts(layer, b.experts, in, in)
		r.visit(MLPOut, layer, out)
		r.addOutput(layer, MLPOutPost, out, b.mlpPostNorm, b.residualMultiplier)
		return
	}
	act := r.mlp(layer, &b.mlp, in)
	if b.beside == nil {
		r.contribute(layer, MLPOut, MLPOutPost, act, b.mlp.down, b.mlpPostNorm, b.residualMultiplier)
		return
	}
	dense := r.buffer(r.stream.Rows, r.stream.Width)
	r.linear(dense, act, b.mlp.down)
	r.visit(MLPOut, layer, dense)
	r.besideMLP(layer, b.beside, dense)
	r.addOutput(layer, MLPOutPost, dense, b.mlpPostNorm, b.residualMultiplier)
}

// inputs makes what attention reads and, in parallel blocks, what the MLP reads: both
// come from the block's input, before attention adds to it.
func (r *run) inputs(layer int, b *block) (attnIn, mlpIn kernels.Buffer) {
	if b.parallel && b.mlpNorm != nil {
		mlpIn = r.input(layer, MLPIn, b.mlpNorm, false)
	} else if b.parallel {
		mlpIn = r.input(layer, MLPIn, b.attnNorm, false)
		if !r.edited(MLPIn, layer) && !r.edited(AttnIn, layer) {
			r.visit(AttnIn, layer, mlpIn)
			return mlpIn, mlpIn
		}
	}
	return r.input(layer, AttnIn, b.attnNorm, b.normAfterSum), mlpIn
}

// input is a sublayer's input, [rows, width]: the normalised residual, or with no norm in
// front the residual itself, copied only when an edit would change it.
func (r *run) input(layer int, point Point, n *norm, plain bool) kernels.Buffer {
	in := r.stream
	switch {
	case n != nil && !plain:
		in = r.buffer(r.stream.Rows, r.stream.Width)
		r.normalize(in, r.stream, n)
	case r.edited(point, layer):
		in = r.buffer(r.stream.Rows, r.stream.Width)
		r.device.Copy(in, r.stream)
	}
	r.visit(point, layer, in)
	return in
}

// contribute adds a sublayer's output x·Wᵀ + bias to the residual stream, after its norm
// and multiplier where the family has them. When nobody looks at it, it is added directly.
func (r *run) contribute(layer int, raw, post Point, x kernels.Buffer, l *linear, n *norm, multiplier float32) {
	if n == nil && multiplier == 1 && !r.visited(raw, layer) && !r.visited(post, layer) {
		r.device.Linear(r.stream, x, l.weight, l.biasRow, true)
		return
	}
	out := r.buffer(r.stream.Rows, r.stream.Width)
	r.linear(out, x, l)
	r.visit(raw, layer, out)
	r.addOutput(layer, post, out, n, multiplier)
}

// addOutput takes a sublayer's finished output through its norm and multiplier to the
// residual stream.
func (r *run) addOutput(layer int, post Point, out kernels.Buffer, n *norm, multiplier float32) {
	if n != nil {
		r.normalize(out, out, n)
	}
	if multiplier != 1 {
		r.device.Scale(out, out, multiplier)
	}
	r.visit(post, layer, out)
	r.device.Add(r.stream, r.stream, out)
}

// mlp computes the activation the down projection reads, [rows, mlp width].
func (r *run) mlp(layer int, m *mlp, in kernels.Buffer) kernels.Buffer {
	if !m.gated() {
		up := r.buffer(in.Rows, m.width)
		r.linear(up, in, m.up)
		r.visit(MLPPre, layer, up)
		r.device.Activate(up, up, m.activation)
		r.visit(MLPAct, layer, up)
		return up
	}
	var gate, up kernels.Buffer
	if m.gateUp != nil {
		both := r.buffer(in.Rows, 2*m.width)
		r.linear(both, in, m.gateUp)
		gate, up = r.columns(both, 0, m.width), r.columns(both, m.width, m.width)
	} else {
		gate, up = r.buffer(in.Rows, m.width), r.buffer(in.Rows, m.width)
		r.together(in, product(gate, m.gate), product(up, m.up))
	}
	r.visit(MLPPre, layer, gate)
	r.visit(MLPPreLinear, layer, up)
	r.device.Gate(gate, gate, up, m.activation)
	r.visit(MLPAct, layer, gate)
	return gate
}

// visitNormalized serves ln1_normalized and ln2_normalized: the residual over its root
// mean square, without a gain.
func (r *run) visitNormalized(point Point, layer int) {
	if !r.visited(point, layer) {
		return
	}
	mark := r.mark()
	out := r.buffer(r.stream.Rows, r.stream.Width)
	r.device.Norm(out, r.stream, kernels.Norm{Kind: kernels.RMSNorm, Eps: r.arch.rmsEpsilon})
	r.visit(point, layer, out)
	r.free(mark)
}

func (r *run) linear(dst, x kernels.Buffer, l *linear) {
	r.device.Linear(dst, x, l.weight, l.biasRow, false)
}

// together computes products of the same rows in one loop, which hands the threads their
// work once; how many there are matters when each takes a few microseconds.
func (r *run) together(x kernels.Buffer, products ...kernels.Product) {
	r.products = append(r.products[:0], products...) // products itself stays on the stack
	r.device.Linears(x, r.products)
}

func product(dst kernels.Buffer, l *linear) kernels.Product {
	return kernels.Product{Dst: dst, W: l.weight, Bias: l.biasRow}
}

func (r *run) normalize(dst, src kernels.Buffer, n *norm) { r.device.Norm(dst, src, n.loaded) }

// columns is a view of some columns of all rows.
func (r *run) columns(b kernels.Buffer, column, width int) kernels.Buffer {
	return r.device.View(b, 0, b.Rows, column, width)
}
