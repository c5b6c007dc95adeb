package engine

import (
	"npinf/chat"
	"npinf/kernels"
)

// Sequences that begin with the same tokens and are changed alike have the same keys and values
// there: one reads them and the others copy. Only what anybody alone would read in the same
// pieces is taken over, because other pieces may take other kernels and differ in their last
// bits: a whole prompt with the logits behind it, or pieces of prefillRows from the first
// token on.

// reading is how far a sequence has come with its prompt.
type reading struct {
	prompt []int
	number int // in the order of arrival
	whole  int // tokens read in pieces of prefillRows, up to the first other piece
	// behind are the logits behind the prompt, [1, vocabulary], kept for those who have the
	// same prompt and come later. The zero buffer until it is read.
	behind kernels.Buffer
	waits  bool // in this step, because another one is reading what both begin with
}

// took notes that a pass has read so many tokens, up to position length.
func (r *reading) took(count int, logits kernels.Buffer, length int) {
	if count == prefillRows && r.whole == length-count {
		r.whole = length
	}
	if r.behind.IsZero() {
		r.behind = logits
	}
}

// share lets sequences that have not begun take over what others have read, and makes those
// wait whose beginning another one will have read soon. Nobody waits for one that came later,
// so that there is always one that reads.
func (s *scheduler) share(ring []*task, buffer []float32) {
	for _, t := range ring {
		t.waits = false
		if t.ended || t.cache.Len() > 0 {
			continue
		}
		from, count := source(t, ring)
		switch {
		case from == nil:
		case !from.hasRead(count, t):
			t.waits = true
		default:
			s.takeOver(t, from, count, buffer)
		}
	}
}

// source finds the sequence that has the most for another one, or will have it: one that has
// read it already, before one that has not.
func source(t *task, ring []*task) (best *task, most int) {
	for _, other := range ring {
		if other == t || other.ended || other.edited != t.edited || !t.cache.Comparable(other.cache) {
			continue
		}
		count := shared(t, other)
		ready := other.hasRead(count, t)
		if (ready || other.number < t.number) && (count > most || count > 0 && count == most && ready) {
			best, most = other, count
		}
	}
	return best, most
}

// shared is how many tokens a sequence may take over from another one.
func shared(t, other *task) int {
	common := chat.CommonPrefix(t.prompt, other.prompt)
	if common == len(t.prompt) && common == len(other.prompt) {
		return common
	}
	most := len(other.prompt) // in whole pieces, as far as they have been whole
	if other.cache.Len() > other.whole {
		most = other.whole
	}
	return min(common, len(t.prompt)-1, most) / prefillRows * prefillRows
}

// hasRead reports whether what t would take over is there: so many tokens and, when that is
// the whole prompt, the logits behind it.
func (t *task) hasRead(count int, by *task) bool {
	return t.cache.Len() >= count && (count < len(by.prompt) || !t.behind.IsZero())
}

// takeOver copies what another sequence has read, if it still has it; else the sequence will
// read for itself. One that has its whole prompt goes on at once.
func (s *scheduler) takeOver(t, from *task, count int, buffer []float32) {
	if !t.cache.Resume(from.cache, count) {
		return
	}
	t.tokens, t.whole = t.tokens[count:], min(count, from.whole)
	if len(t.tokens) > 0 {
		return
	}
	t.behind = s.device.NewBuffer(1, from.behind.Width)
	s.device.Copy(t.behind, from.behind)
	s.device.Download(buffer, t.behind)
	s.goOn(t, buffer)
}
