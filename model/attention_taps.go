package model

import "npinf/kernels"

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
