package model

import "npinf/kernels"

// attention computes z, [rows, heads·headDim], from the sublayer's input: projections,
// norms and rotation for all rows at once, then each sequence against its own keys.
func (r *run) attention(layer int, a *attention, in, z kernels.Buffer) {
	mark := r.mark()
	defer r.free(mark)
	q, gate, k, v := r.queriesKeysValues(layer, a, in)
	r.jobs = r.jobs[:0]
	for _, m := range r.active {
		rows := func(b kernels.Buffer) kernels.Buffer { return r.device.View(b, m.start, m.count, 0, b.Width) }
		keys, values, first := rows(k), rows(v), 0
		if m.Cache != nil && a.shares {
			keys, values, first = m.Cache.all(a.sharedFrom, m.count)
		} else if m.Cache != nil {
			keys, values, first = m.Cache.append(layer, keys, values)
		}
		r.jobs = append(r.jobs, kernels.Attention{
			Q: rows(q), K: keys, V: values, Out: rows(z),
			Heads: a.heads, KVHeads: a.kvHeads, HeadDim: a.headDim, ValueDim: a.headDim,
			FirstPosition: m.past, FirstKey: first, Scale: a.scale, Softcap: a.softcap, Window: a.window, Sinks: a.sinkRow,
		})
	}
	r.device.AttendAll(r.jobs)
	for i, m := range r.active {
		r.visitAttention(AttnScores, layer, m, r.jobs[i])
		r.visitAttention(AttnProbs, layer, m, r.jobs[i])
	}
	if a.queryGate != nil {
		r.device.Gate(z, gate, z, kernels.Sigmoid)
	}
	r.visit(Z, layer, z)
}

// queriesKeysValues makes what enters the attention product, after clamp, norms and
// rotation. A layer that shares takes the keys and values of an earlier one.
func (r *run) queriesKeysValues(layer int, a *attention, in kernels.Buffer) (q, gate, k, v kernels.Buffer) {
	if a.shares {
		q = r.buffer(in.Rows, a.queryWidth())
		r.linear(q, in, a.query)
	} else {
		q, gate, k, v = r.project(layer, a, in)
	}
	if a.clip > 0 {
		for _, b := range []kernels.Buffer{q, k, v} {
			clamp(r.device, b, a.clip)
		}
	}
	if a.queryNorm != nil {
		r.visit(QNormIn, layer, q)
		r.normalize(q, q, a.queryNorm)
		r.visit(QNormOut, layer, q)
	}
	r.rotate(q, a.rotary, a.heads, a.headDim)
	if a.shares {
		source := r.kept[a.sharedFrom]
		rows := func(b kernels.Buffer) kernels.Buffer { return r.device.View(b, 0, q.Rows, 0, b.Width) }
		return q, gate, rows(source.keys), rows(source.values)
	}
	if a.keyNorm != nil {
		r.visit(KNormIn, layer, k)
		r.normalize(k, k, a.keyNorm)
		r.visit(KNormOut, layer, k)
	}
	if a.valueNorm != nil {
		r.normalize(v, v, a.valueNorm)
	}
	r.visit(HeadValues, layer, v)
	r.rotate(k, a.rotary, a.kvHeads, a.headDim)
	if a.kept {
		r.keepKeysValues(layer, k, v)
	}
	return q, gate, k, v
}

// keepKeysValues copies keys and values that later layers share.
func (r *run) keepKeysValues(layer int, k, v kernels.Buffer) {
	kept := keysValues{r.device.NewBuffer(k.Rows, k.Width), r.device.NewBuffer(v.Rows, v.Width)}
	r.device.Copy(kept.keys, k)
	r.device.Copy(kept.values, v)
	r.kept[layer] = kept
}

// project makes queries [rows, heads·headDim], their gates where the family has them, keys
// and values [rows, kvHeads·headDim].
func (r *run) project(layer int, a *attention, in kernels.Buffer) (q, gate, k, v kernels.Buffer) {
	if a.fused != nil {
		fused := r.buffer(in.Rows, a.fusedWidth())
		r.linear(fused, in, a.fused)
		r.visitStored(Value, layer, fused, a.fusedOrder)
		q = r.columns(fused, 0, a.queryWidth())
		k = r.columns(fused, a.queryWidth(), a.keyWidth())
		return q, gate, k, r.columns(fused, a.queryWidth()+a.keyWidth(), a.keyWidth())
	}
	source, width := a.query, a.queryWidth()
	if a.queryGate != nil {
		source, width = a.queryGate, 2*width
	}
	q = r.buffer(in.Rows, width)
	k, v = r.buffer(in.Rows, a.keyWidth()), r.buffer(in.Rows, a.keyWidth())
	if a.value == nil {
		r.together(in, product(q, source), product(k, a.key))
		r.device.Copy(v, k)
	} else {
		r.together(in, product(q, source), product(k, a.key), product(v, a.value))
		r.visit(Value, layer, v)
	}
	if a.queryGate != nil {
		r.visitStored(AttnGate, layer, q, a.gateOrder)
		q, gate = r.columns(q, 0, a.queryWidth()), r.columns(q, a.queryWidth(), a.queryWidth())
	}
	return q, gate, k, v
}

// visitStored shows a projection's output in the order of the file: bind put stored row
// order()[i] at i, because the parts must lie together to be used.
func (r *run) visitStored(point Point, layer int, rows kernels.Buffer, order func() []int) {
	if !r.visited(point, layer) {
		return
	}
	mark := r.mark()
	defer r.free(mark)
	stored := order()
	out := rows
	if stored != nil {
		out = r.buffer(rows.Rows, rows.Width)
	}
	for start := 0; start < len(stored); { // runs of neighbours are copied together
		end := start + 1
		for end < len(stored) && stored[end] == stored[end-1]+1 {
			end++
		}
		r.device.Copy(r.columns(out, stored[start], end-start), r.columns(rows, start, end-start))
		start = end
	}
	r.visit(point, layer, out)
}

// rotate applies a rotary embedding to the first rows of the run; nil rotates nothing.
func (r *run) rotate(x kernels.Buffer, rotary *rotary, heads, headDim int) {
	if rotary == nil {
		return
	}
	t, ok := r.rotations[rotary]
	if !ok {
		t.cosine, t.sine = rotary.tables(r.device, r.positions[:x.Rows], r.lengthOf, &r.angles)
		r.rotations[rotary] = t
	}
	r.device.Rotate(x, kernels.Rotation{
		Cos: r.device.View(t.cosine, 0, x.Rows, 0, t.cosine.Width), Sin: r.device.View(t.sine, 0, x.Rows, 0, t.sine.Width),
		Heads: heads, HeadDim: headDim, RotaryDim: rotary.dim, Interleaved: rotary.interleaved,
	})
}

// lengthOf is how many positions the sequence of a row is known to reach.
func (r *run) lengthOf(row int) int {
	for _, m := range r.active {
		if row < m.start+m.count {
			return m.total
		}
	}
	return 0
}
