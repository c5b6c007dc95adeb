package model

import (
	"context"
	"slices"

	"npinf/kernels"
)

// run is one forward pass over a batch. The rows of all sequences are concatenated for
// everything but attention. Sequences that must go deeper come first, so that those which
// need no further layer drop off at the end.
type run struct {
	ctx    context.Context
	model  *Model
	arch   *architecture
	device kernels.Device

	members   []member       // of all sequences
	active    []*member      // still running, deepest first
	positions []int          // of every row
	whole     kernels.Buffer // [all rows, width], the residual stream
	stream    kernels.Buffer // its rows that are still running

	narrowed  []kernels.Buffer   // what narrow left
	perLayer  kernels.Buffer     // [all rows, blocks·width] of Gemma 4, or zero
	kept      map[int]keysValues // of layers that later ones share, by layer
	visitors  map[Address]*visitors
	rotations map[*rotary]tables
	scratch   []kernels.Buffer
	list      []int               // working memory: token ids, or row numbers
	products  []kernels.Product   // working memory of together
	jobs      []kernels.Attention // of the sequences in one layer
	angles    []float32           // working memory: cosines and sines
}

// member is a sequence in a run. Its rows are start..start+count of the current buffers;
// row start is its token number first.
type member struct {
	*Sequence
	past                int // positions already in the cache
	total               int // positions it is known to reach
	start, count, first int
	need                int // how deep it must go, see depth

	states map[int]*recurrentState // by layer, kept in the cache when the pass succeeds
}

// visitors are the edits and taps at one address, in the order given.
type visitors struct {
	edits []visitor
	taps  []visitor
}

type visitor struct {
	member *member
	tap    *Tap
	edit   *Edit
}

// keysValues are the new keys and values of all rows, as they enter the attention.
type keysValues struct{ keys, values kernels.Buffer }

type tables struct{ cosine, sine kernels.Buffer }

// depth numbers the stages of a pass: 0 is the embedding, then attention and MLP of each
// layer, then the head.
func depth(layer int, at stage, layers int) int {
	switch at {
	case atInput:
		return 2 * layer
	case atAttention:
		return 2*layer + 1
	case atMLP:
		return 2*layer + 2
	case atHead:
		return 2*layers + 1
	}
	return 0
}

func (m *Model) forward(ctx context.Context, batch []*Sequence) error {
	if err := m.checkBatch(batch); err != nil {
		return err
	}
	r := m.newRun(ctx, batch)
	err := r.execute()
	r.release()
	for i := range r.members {
		member := &r.members[i]
		if err != nil {
			member.discard(m.device)
		} else if member.Cache != nil {
			member.Cache.commit(len(member.Tokens), member.states)
		}
	}
	r.keepForReuse()
	return err
}

// discard gives back results that were made before an error.
func (s *Sequence) discard(device kernels.Device) {
	device.Release(s.Logits)
	s.Logits = kernels.Buffer{}
	for _, tap := range s.Taps {
		device.Release(tap.Out)
		tap.Out = kernels.Buffer{}
	}
}

// newRun lays out the rows and sorts taps and edits by address. Runs are used again, so
// that decoding allocates nothing.
func (m *Model) newRun(ctx context.Context, batch []*Sequence) *run {
	r, ok := m.runs.Get().(*run)
	if !ok {
		r = &run{model: m, arch: m.arch, device: m.device,
			visitors: map[Address]*visitors{}, rotations: map[*rotary]tables{}, kept: map[int]keysValues{}}
	}
	r.ctx = ctx
	r.members = slices.Grow(r.members, len(batch))[:len(batch)]
	for i, s := range batch {
		s.Logits = kernels.Buffer{}
		r.members[i] = member{Sequence: s, count: len(s.Tokens), need: m.needOf(s)}
		member := &r.members[i]
		if s.Cache != nil {
			member.past = s.Cache.length
			member.total = s.Cache.expected
		}
		member.total = max(member.total, member.past+member.count)
		for i := range s.Edits {
			at := r.at(s.Edits[i].Address)
			at.edits = append(at.edits, visitor{member: member, edit: &s.Edits[i]})
		}
		for _, tap := range s.Taps {
			tap.Out = kernels.Buffer{}
			at := r.at(tap.Address)
			at.taps = append(at.taps, visitor{member: member, tap: tap})
		}
		r.active = append(r.active, member)
	}
	slices.SortStableFunc(r.active, func(a, b *member) int { return b.need - a.need })
	for _, member := range r.active {
		member.start = len(r.positions)
		for i := range member.count {
			r.positions = append(r.positions, member.past+i)
		}
	}
	return r
}

// keepForReuse forgets everything about the batch but the memory.
func (r *run) keepForReuse() {
	clear(r.members)
	clear(r.active[:cap(r.active)])
	clear(r.visitors)
	clear(r.rotations)
	clear(r.kept)
	kept := run{
		model: r.model, arch: r.arch, device: r.device, visitors: r.visitors, rotations: r.rotations, kept: r.kept,
		members: r.members[:0], active: r.active[:0], positions: r.positions[:0], scratch: r.scratch[:0], list: r.list[:0], products: r.products[:0], jobs: r.jobs[:0],
		angles: r.angles, narrowed: r.narrowed[:0],
	}
	*r = kept
	r.model.runs.Put(r)
}

func (r *run) at(address Address) *visitors {
	found := r.visitors[address]
	if found == nil {
		found = &visitors{}
		r.visitors[address] = found
	}
	return found
}

// needOf is the deepest stage that a sequence's logits, taps and cache ask for.
func (m *Model) needOf(s *Sequence) int {
	layers, need := len(m.arch.blocks), 0
	if s.Want != NoLogits {
		need = depth(0, atHead, layers)
	}
	if s.Cache != nil {
		need = max(need, depth(s.Cache.depth-1, atAttention, layers))
	}
	for _, tap := range s.Taps {
		need = max(need, depth(tap.Layer, rowOf(tap.Point).stage, layers))
	}
	return need
}

// keep drops the sequences that need nothing at this depth and narrows the stream. It
// reports whether any are left.
func (r *run) keep(depth int) bool {
	left := len(r.active)
	for left > 0 && r.active[left-1].need < depth {
		left--
	}
	if left == 0 {
		r.active = nil
		return false
	}
	if left < len(r.active) {
		r.active = r.active[:left]
		last := r.active[left-1]
		r.stream = r.device.View(r.whole, 0, last.start+last.count, 0, r.whole.Width)
	}
	return true
}

// visit lets the edits at a point change its rows and the taps copy them.
func (r *run) visit(point Point, layer int, rows kernels.Buffer) {
	found := r.visitors[Address{point, layer}]
	if found == nil {
		return
	}
	for _, v := range found.edits {
		if m := v.member; m.start+m.count <= rows.Rows { // else it has dropped off
			first := m.past + m.first
			positions := make([]int, m.count)
			for i := range positions {
				positions[i] = first + i
			}
			v.edit.Apply(r.device, r.device.View(rows, m.start, m.count, 0, rows.Width), positions)
		}
	}
	for _, v := range found.taps {
		r.copyRows(v.tap, r.device.View(rows, v.member.start, v.member.count, 0, rows.Width), v.member.first)
	}
}

// copyRows fills a tap from the rows of its sequence, which begin with row first of it.
func (r *run) copyRows(tap *Tap, rows kernels.Buffer, first int) {
	if tap.Rows == nil {
		tap.Out = r.device.NewBuffer(rows.Rows, rows.Width)
		r.device.Copy(tap.Out, rows)
		return
	}
	tap.Out = r.device.NewBuffer(len(tap.Rows), rows.Width)
	list := tap.Rows
	if first > 0 {
		list = slices.Clone(list)
		for i := range list {
			list[i] -= first
		}
	}
	r.device.Gather(tap.Out, rows, list)
}

// visited reports whether anybody reads or changes a point.
func (r *run) visited(point Point, layer int) bool { return r.visitors[Address{point, layer}] != nil }

// edited reports whether anybody changes a point.
func (r *run) edited(point Point, layer int) bool {
	found := r.visitors[Address{point, layer}]
	return found != nil && len(found.edits) > 0
}

// buffer makes a scratch buffer that lives until the next free of an earlier mark.
func (r *run) buffer(rows, width int) kernels.Buffer {
	b := r.device.NewBuffer(rows, width)
	r.scratch = append(r.scratch, b)
	return b
}

// mark and free bracket the life of scratch buffers.
func (r *run) mark() int { return len(r.scratch) }

func (r *run) free(mark int) {
	releaseAll(r.device, r.scratch[mark:])
	r.scratch = r.scratch[:mark]
}

func (r *run) release() {
	r.free(0)
	releaseAll(r.device, r.narrowed)
	for _, kept := range r.kept {
		r.device.Release(kept.keys)
		r.device.Release(kept.values)
	}
	for _, t := range r.rotations {
		r.device.Release(t.cosine)
		r.device.Release(t.sine)
	}
}
