package model

import "npinf/kernels"

// mark notes which matrices keep their type when weights are rounded: embeddings, of which
// few rows are read, and routers, whose products decide between experts.
func (a *architecture) mark() {
	for _, l := range []*linear{a.embedding.tokens, a.embedding.positions} {
		if l != nil {
			l.lookedUp = true
		}
	}
	if p := a.embedding.perLayer; p != nil {
		p.tokens.lookedUp = true
	}
	for i := range a.blocks {
		if e := a.blocks[i].anyExperts(); e != nil {
			e.router.exact = true
		}
	}
}

// rounded reports whether Options.Int8 rounds a matrix.
func (l *linear) rounded() bool { return !l.lookedUp && !l.exact }

// storage is the type that a matrix gets on the device; nil is the stored one.
func (b *binder) storage(l *linear) *kernels.DType {
	if b.int8 && l.rounded() {
		int8 := kernels.I8
		return &int8
	}
	return b.convert
}

// int8Head makes the output matrix of a tied model from the embedding, which stays beside it.
func (b *binder) int8Head(a *architecture) *linear {
	tokens := a.embedding.tokens
	output := &linear{name: tokens.name, out: tokens.out, in: tokens.in}
	if tensor, ok := b.Take(b.prefix+tokens.name+".weight", tokens.out, tokens.in); ok {
		if err := b.place(output, tensor, nil); err != nil {
			b.Refuse(err)
		}
		b.parameters -= int64(tokens.out) * int64(tokens.in) // counted with the embedding
	}
	return output
}

// estimateInt8 fills in the memory of the matrices with Options.Int8, of files that store
// them in the given type.
func (a *architecture) estimateInt8(e *Estimate, stored kernels.DType, packed bool) {
	add := func(total *int64, l *linear, d kernels.DType) {
		*total = min(*total+d.Bytes(l.out, l.in), mostElements)
	}
	a.eachMatrix(func(l *linear, stacked bool) {
		switch {
		case stacked && packed:
		case l.rounded():
			add(&e.Int8Bytes, l, kernels.I8)
		default:
			add(&e.KeptBytes, l, stored)
		}
	})
	if a.head.tied {
		add(&e.Int8Bytes, a.embedding.tokens, kernels.I8)
	}
}
