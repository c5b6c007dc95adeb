package model

import (
	"math"

	"npinf/kernels"
)

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
		v.tap.Out = r.device.NewBuffer(selected.Heads*tapRows(v.tap, m), job.FirstKey+job.K.Rows)
		r.hideForgotten(point, r.columns(v.tap.Out, 0, job.FirstKey))
		shown := r.columns(v.tap.Out, job.FirstKey, job.K.Rows)
		if v.tap.Rows == nil {
			selected.Out = r.buffer(m.count, selected.Out.Width)
			r.attend(point, selected, shown)
		} else {
			r.attendRows(point, selected, v.tap.Rows, shown)
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

// hideForgotten fills the columns of keys that a cache has forgotten because a window has
// passed them.
func (r *run) hideForgotten(point Point, columns kernels.Buffer) {
	if columns.Width == 0 {
		return
	}
	values := make([]float32, columns.Rows*columns.Width)
	if point == AttnScores {
		for i := range values {
			values[i] = -math.MaxFloat32
		}
	}
	hidden := r.device.Upload(columns.Rows, columns.Width, values)
	r.device.Copy(columns, hidden)
	r.device.Release(hidden)
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

// attendRows computes single query rows, row rows[i] landing in row h·len(rows) + i of out.
func (r *run) attendRows(point Point, job kernels.Attention, rows []int, out kernels.Buffer) {
	all, first := job.Q, job.FirstPosition
	job.Out = r.buffer(1, job.Out.Width)
	one := r.buffer(job.Heads, job.K.Rows)
	for i, row := range rows {
		job.Q, job.FirstPosition = r.device.View(all, row, 1, 0, all.Width), first+row
		r.attend(point, job, one)
		for head := range job.Heads {
			target := r.device.View(out, head*len(rows)+i, 1, 0, one.Width)
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
