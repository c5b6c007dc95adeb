package model

import "npinf/kernels"

// head normalises the last residual and computes the logits of the rows that are wanted:
// all of a sequence's, or only its last.
func (r *run) head() {
	anyLogits := false
	for _, m := range r.active {
		anyLogits = anyLogits || m.Want != NoLogits || r.taps(m, LMHead)
	}
	rows := r.selectRows(r.firstForHead)
	normed := r.buffer(len(rows), r.arch.width)
	r.device.Gather(normed, r.stream, rows)
	if r.arch.finalNorm != nil {
		r.normalize(normed, normed, r.arch.finalNorm)
	}
	r.visit(FinalNorm, -1, normed)
	if !anyLogits {
		return
	}
	logits := r.unembed(normed)
	r.visit(LMHead, -1, logits)
	r.arch.finishLogits(r.device, logits)
	if len(r.active) == 1 && r.active[0].gives(logits.Rows) {
		r.active[0].Logits = logits
		r.handOver()
		return
	}
	for _, m := range r.active {
		r.giveLogits(m, logits)
	}
}

// selectRows keeps the rows of each sequence from the first that is read on. It returns the
// numbers of the kept rows in the current buffers.
func (r *run) selectRows(firstOf func(m *member) int) []int {
	rows := r.list[:0]
	for _, m := range r.active {
		first, start := firstOf(m), len(rows)
		for row := first; row < m.count; row++ {
			rows = append(rows, m.start+row)
		}
		m.start, m.count, m.first = start, m.count-first, m.first+first
	}
	r.list = rows
	return rows
}

// firstForHead is the first row of a sequence that the head reads.
func (r *run) firstForHead(m *member) int {
	if r.wantsAllRows(m) {
		return 0
	}
	return m.count - 1
}

// firstInBlock is the first row of a sequence that is read once a block's attention has
// seen all of them: none but the head's and the taps' in the last block it runs.
func (r *run) firstInBlock(m *member, layer int) int {
	layers := len(r.arch.blocks)
	if m.need > depth(layer, atMLP, layers) && layer < layers-1 {
		return 0
	}
	first := r.firstForHead(m)
	for _, tap := range m.Taps {
		stage := rowOf(tap.Point).stage
		here := tap.Layer == layer && stage >= atAttention
		next := tap.Layer == layer+1 && stage == atInput // what leaves this block
		if !here && !next {
			continue
		}
		if tap.Rows == nil {
			return 0
		}
		for _, row := range tap.Rows {
			first = min(first, row)
		}
	}
	return first
}

// narrow leaves only the rows that are still read, after a block's attention: for the
// logits of a prompt's last token, or a tap on it, that is most of a block saved.
func (r *run) narrow(layer int, z, mlpIn kernels.Buffer) (kernels.Buffer, kernels.Buffer) {
	before := r.stream.Rows
	rows := r.selectRows(func(m *member) int { return r.firstInBlock(m, layer) })
	if len(rows) == before {
		return z, mlpIn
	}
	some := func(b kernels.Buffer) kernels.Buffer {
		if b.IsZero() {
			return b
		}
		kept := r.buffer(len(rows), b.Width)
		r.device.Gather(kept, b, rows)
		return kept
	}
	r.whole = r.outliving(r.stream, rows)
	r.stream = r.whole
	if !r.perLayer.IsZero() {
		r.perLayer = r.outliving(r.perLayer, rows)
	}
	return some(z), some(mlpIn)
}

// outliving copies rows into a buffer that outlives the block's scratch.
func (r *run) outliving(b kernels.Buffer, rows []int) kernels.Buffer {
	kept := r.device.NewBuffer(len(rows), b.Width)
	r.device.Gather(kept, b, rows)
	r.narrowed = append(r.narrowed, kept)
	return kept
}

// wantsAllRows reports whether a sequence reads more of the head than its last row.
func (r *run) wantsAllRows(m *member) bool {
	return m.Want == AllLogits || r.taps(m, LMHead) || r.taps(m, FinalNorm)
}

func (r *run) taps(m *member, point Point) bool {
	for _, tap := range m.Taps {
		if tap.Point == point {
			return true
		}
	}
	return false
}

// gives reports whether a buffer of that many rows is exactly the logits of the sequence.
func (m *member) gives(rows int) bool {
	return m.Want == AllLogits || m.Want == LastLogits && rows == 1
}

func (r *run) giveLogits(m *member, logits kernels.Buffer) {
	start, count := m.start, m.count
	switch m.Want {
	case NoLogits:
		return
	case LastLogits:
		start, count = m.start+m.count-1, 1
	}
	m.Logits = r.device.NewBuffer(count, logits.Width)
	r.device.Copy(m.Logits, r.device.View(logits, start, count, 0, logits.Width))
}

// unembed multiplies by the output matrix, [rows, vocabulary].
func (r *run) unembed(normed kernels.Buffer) kernels.Buffer {
	in := normed
	if projection := r.arch.head.projection; projection != nil {
		in = r.buffer(normed.Rows, projection.out)
		r.linear(in, normed, projection)
	}
	logits := r.buffer(normed.Rows, r.arch.vocabulary)
	r.linear(logits, in, r.arch.head.output)
	return logits
}

// handOver takes the newest scratch buffer out of the run's keeping.
func (r *run) handOver() { r.scratch = r.scratch[:len(r.scratch)-1] }

// finishLogits applies the family's multiplier and soft cap.
func (a *architecture) finishLogits(device kernels.Device, logits kernels.Buffer) {
	if a.head.multiplier != 1 {
		device.Scale(logits, logits, a.head.multiplier)
	}
	if a.head.softcap != 0 {
		device.Softcap(logits, logits, a.head.softcap)
	}
}

// Decode reads residual rows [rows, d_model] as the model's head would: final norm, output
// matrix, multiplier and soft cap. The result, [rows, vocabulary], is the caller's to
// release; residual is not changed. On rows of the last resid_post it gives the logits.
func (m *Model) Decode(residual kernels.Buffer) kernels.Buffer {
	r := &run{model: m, arch: m.arch, device: m.device}
	normed := residual
	if m.arch.finalNorm != nil {
		normed = r.buffer(residual.Rows, residual.Width)
		r.normalize(normed, residual, m.arch.finalNorm)
	}
	logits := r.unembed(normed)
	m.arch.finishLogits(m.device, logits)
	r.handOver()
	r.free(0)
	return logits
}

// Unembedding copies rows of the output matrix, widened: the direction of each token,
// [len(ids), d_model]. The ids must lie in the vocabulary. The caller releases the result.
func (m *Model) Unembedding(ids []int) kernels.Buffer {
	rows := m.device.NewBuffer(len(ids), m.arch.head.output.in)
	m.device.WeightRows(rows, m.arch.head.output.weight, ids)
	return rows
}
