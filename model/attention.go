package model

import "npinf/kernels"

// attention computes z, [rows, heads·headDim], from the sublayer's input: projections,
// norms and rotation for all rows at once, then each sequence against its own keys.
func (r *run) attention(layer int, a *attention, in, z kernels.Buffer) {
	mark := r.mark()
	defer r.free(mark)
	q, k, v := r.queriesKeysValues(layer, a, in)
	for _, m := range r.active {
		rows := func(b kernels.Buffer) kernels.Buffer { return r.device.View(b, m.start, m.count, 0, b.Width) }
		keys, values := rows(k), rows(v)
		if m.Cache != nil && a.shares {
			keys, values = m.Cache.all(a.sharedFrom, m.count)
		} else if m.Cache != nil {
			keys, values = m.Cache.append(layer, keys, values)
		}
		job := kernels.Attention{
			Q: rows(q), K: keys, V: values, Out: rows(z),
			Heads: a.heads, KVHeads: a.kvHeads, HeadDim: a.headDim, ValueDim: a.headDim,
			FirstPosition: m.past, Scale: a.scale, Softcap: a.softcap, Window: a.window, Sinks: a.sinkRow,
		}
		r.device.Attend(job)
		r.visitAttention(AttnScores, layer, m, job)
		r.visitAttention(AttnProbs, layer, m, job)
	}
	r.visit(Z, layer, z)
}

// queriesKeysValues makes what enters the attention product, after clamp, norms and
// rotation. A layer that shares takes the keys and values of an earlier one.
func (r *run) queriesKeysValues(layer int, a *attention, in kernels.Buffer) (q, k, v kernels.Buffer) {
	if a.shares {
		q = r.buffer(in.Rows, a.queryWidth())
		r.linear(q, in, a.query)
	} else {
		q, k, v = r.project(layer, a, in)
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
		return q, rows(source.keys), rows(source.values)
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
	return q, k, v
}

// keepKeysValues copies keys and values that later layers share.
func (r *run) keepKeysValues(layer int, k, v kernels.Buffer) {
	kept := keysValues{r.device.NewBuffer(k.Rows, k.Width), r.device.NewBuffer(v.Rows, v.Width)}
	r.device.Copy(kept.keys, k)
	r.device.Copy(kept.values, v)
	r.kept[layer] = kept
}

// project makes queries [rows, heads·headDim], keys and values [rows, kvHeads·headDim].
func (r *run) project(layer int, a *attention, in kernels.Buffer) (q, k, v kernels.Buffer) {
	if a.fused != nil {
		fused := r.buffer(in.Rows, a.fusedWidth())
		r.linear(fused, in, a.fused)
		r.visitFused(layer, a, fused)
		q = r.columns(fused, 0, a.queryWidth())
		k = r.columns(fused, a.queryWidth(), a.keyWidth())
		v = r.columns(fused, a.queryWidth()+a.keyWidth(), a.keyWidth())
	} else {
		q, k, v = r.buffer(in.Rows, a.queryWidth()), r.buffer(in.Rows, a.keyWidth()), r.buffer(in.Rows, a.keyWidth())
		r.linear(q, in, a.query)
		r.linear(k, in, a.key)
		if a.value != nil {
			r.linear(v, in, a.value)
			r.visit(Value, layer, v)
		} else {
			r.device.Copy(v, k)
		}
	}
	return q, k, v
}

// visitFused shows a fused projection's output in the order the file has: bind stored its
// rows as q | k | v.
func (r *run) visitFused(layer int, a *attention, fused kernels.Buffer) {
	if !a.grouped || !r.visited(Value, layer) {
		r.visit(Value, layer, fused)
		return
	}
	mark := r.mark()
	out := r.buffer(fused.Rows, fused.Width)
	queries := a.heads / a.kvHeads * a.headDim
	column := 0
	put := func(from, width int) {
		r.device.Copy(r.columns(out, column, width), r.columns(fused, from, width))
		column += width
	}
	for group := range a.kvHeads {
		put(group*queries, queries)
		put(a.queryWidth()+group*a.headDim, a.headDim)
		put(a.queryWidth()+a.keyWidth()+group*a.headDim, a.headDim)
	}
	r.visit(Value, layer, out)
	r.free(mark)
}

// rotate applies a rotary embedding to the first rows of the run; nil rotates nothing.
func (r *run) rotate(x kernels.Buffer, rotary *rotary, heads, headDim int) {
	if rotary == nil {
		return
	}
	t, ok := r.rotations[rotary]
	if !ok {
		t.cosine, t.sine = rotary.tables(r.device, r.positions[:x.Rows], r.lengthOf)
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

// visitAttention serves the taps of one sequence at attn_scores or attn_probs. The
// attention is computed again for the heads and rows asked for, so that neither an
// untapped layer nor a tap on one row pays for a matrix over all.
func (r *run) visitAttention(point Point, layer int, m *member, job kernels.Attention) {
	found := r.visitors[Address{point, layer}]
	if found == nil {
		return
	}
	for _, v := range found.taps {
		if v.member != m {
			continue
		}
		mark := r.mark()
		selected := r.selectHead(job, v.tap.Head)
		v.tap.Out = r.device.NewBuffer(selected.Heads*tapRows(v.tap, m), selected.K.Rows)
		if v.tap.Rows == nil {
			selected.Out = r.buffer(m.count, selected.Out.Width)
			r.attend(point, selected, v.tap.Out)
		} else {
			r.attendRows(point, selected, v.tap)
		}
		r.free(mark)
	}
}

func tapRows(tap *Tap, m *member) int {
	if tap.Rows == nil {
		return m.count
	}
	return len(tap.Rows)
}

// attend computes one attention with its scores or probabilities.
func (r *run) attend(point Point, job kernels.Attention, out kernels.Buffer) {
	if point == AttnScores {
		job.Scores = out
	} else {
		job.Probs = out
	}
	r.device.Attend(job)
}

// attendRows computes single query rows, row i of the tap landing in row h·rows + i.
func (r *run) attendRows(point Point, job kernels.Attention, tap *Tap) {
	all, first := job.Q, job.FirstPosition
	job.Out = r.buffer(1, job.Out.Width)
	one := r.buffer(job.Heads, job.K.Rows)
	for i, row := range tap.Rows {
		job.Q, job.FirstPosition = r.device.View(all, row, 1, 0, all.Width), first+row
		r.attend(point, job, one)
		for head := range job.Heads {
			target := r.device.View(tap.Out, head*len(tap.Rows)+i, 1, 0, one.Width)
			r.device.Copy(target, r.device.View(one, head, 1, 0, one.Width))
		}
	}
}

// selectHead narrows an attention to one query head; -1 keeps all.
func (r *run) selectHead(job kernels.Attention, head int) kernels.Attention {
	if head < 0 {
		return job
	}
	kvHead := head / (job.Heads / job.KVHeads)
	job.Q = r.columns(job.Q, head*job.HeadDim, job.HeadDim)
	job.K = r.columns(job.K, kvHead*job.HeadDim, job.HeadDim)
	job.V = r.columns(job.V, kvHead*job.ValueDim, job.ValueDim)
	job.Out = r.columns(job.Out, head*job.ValueDim, job.ValueDim)
	if !job.Sinks.IsZero() {
		job.Sinks = r.columns(job.Sinks, head, 1)
	}
	job.Heads, job.KVHeads = 1, 1
	return job
}
