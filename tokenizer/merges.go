package tokenizer

import (
	"bytes"
	"fmt"
	"math/bits"
	"runtime"
	"sync"
)

// mergeTable maps a pair of neighbouring tokens to the token they merge into and to the
// rank of that merge (lower goes first). Open addressing, one cache line per probe.
type mergeTable struct {
	slots []mergeSlot
	shift uint
}

type mergeSlot struct {
	pair uint64 // left id << 32 | right id
	rank uint32
	into int32 // 1 more than the merged id; 0 = free
}

// merge is one entry of the file: ids of the two parts and of the result.
type merge struct{ left, right, into int32 }

func newMergeTable(parts [][]merge) *mergeTable {
	count := 0
	for _, part := range parts {
		count += len(part)
	}
	size := bits.Len(uint(2*count) | 15)
	t := &mergeTable{slots: make([]mergeSlot, 1<<size), shift: uint(64 - size)}
	rank := uint32(0)
	for _, part := range parts {
		for _, m := range part {
			t.put(pairOf(m.left, m.right), rank, m.into)
			rank++
		}
	}
	return t
}

func pairOf(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// home spreads pairs over the table by Fibonacci hashing.
func (t *mergeTable) home(pair uint64) uint64 { return (pair * 0x9E3779B97F4A7C15) >> t.shift }

// put stores a merge; of two for the same pair the later one counts.
func (t *mergeTable) put(pair uint64, rank uint32, into int32) {
	mask := uint64(len(t.slots) - 1)
	i := t.home(pair)
	for t.slots[i].into != 0 && t.slots[i].pair != pair {
		i = (i + 1) & mask
	}
	t.slots[i] = mergeSlot{pair, rank, into + 1}
}

// get returns rank and result of merging left with right; ok is false when they do not merge.
func (t *mergeTable) get(left, right int32) (rank uint32, into int32, ok bool) {
	pair, mask := pairOf(left, right), uint64(len(t.slots)-1)
	for i := t.home(pair); t.slots[i].into != 0; i = (i + 1) & mask {
		if t.slots[i].pair == pair {
			return t.slots[i].rank, t.slots[i].into - 1, true
		}
	}
	return 0, 0, false
}

// mergeParser resolves merges against a vocabulary.
type mergeParser struct {
	vocab        *vocabulary
	prefixLength int    // of continuing_subword_prefix, dropped from the right part
	joined       []byte // the result of the last merge
	into         int32  // and its id
}

// resolve turns the two texts of a merge into ids.
func (p *mergeParser) resolve(left, right []byte) (merge, error) {
	m := merge{left: p.vocab.idByHash(left), right: p.vocab.idByHash(right)}
	tail := right[min(p.prefixLength, len(right)):]
	// Half of the merges of a large file make the same token as the one before, from other parts.
	if len(left)+len(tail) != len(p.joined) || !bytes.HasPrefix(p.joined, left) || !bytes.HasSuffix(p.joined, tail) {
		p.joined = append(append(p.joined[:0], left...), tail...)
		p.into = p.vocab.idByHash(p.joined)
	}
	m.into = p.into
	if m.left < 0 || m.right < 0 || m.into < 0 {
		return m, fmt.Errorf("merge of %q and %q: not all of them and their union are in the vocabulary", left, right)
	}
	return m, nil
}

// line resolves a merge written as "left right".
func (p *mergeParser) line(text []byte) (merge, error) {
	left, right, ok := bytes.Cut(text, []byte(" "))
	if !ok || bytes.IndexByte(right, ' ') >= 0 {
		return merge{}, fmt.Errorf("merge %q: want two tokens separated by one space", text)
	}
	return p.resolve(left, right)
}

// elements reads merges from inside an array, each "left right" or ["left", "right"],
// until the array or the data ends; closed tells which.
func (p *mergeParser) elements(s *scanner, first bool) (merges []merge, closed bool, err error) {
	scratch := make([]byte, 0, 512)
	merges = make([]merge, 0, (len(s.data)-s.pos)/24) // a guess; the usual entry is longer
	for ; s.peek() != 0; first = false {
		if !s.more(']', first) {
			return merges, s.err == nil, s.err
		}
		if s.peek() == 0 {
			break // a comma at the end of a part: the next part goes on
		}
		var m merge
		var err error
		if s.peek() == '[' {
			s.expect('[')
			left := s.text(scratch[:0:256])
			s.expect(',')
			right := s.text(scratch[256:256])
			s.expect(']')
			m, err = p.resolve(left, right)
		} else {
			m, err = p.line(s.text(scratch[:0:256]))
		}
		if s.err != nil {
			return merges, false, s.err
		}
		if err != nil {
			return merges, false, err
		}
		merges = append(merges, m)
	}
	return merges, false, s.err
}

// parallelBytes is the size of a part worth a goroutine of its own.
const parallelBytes = 1 << 20

// parseMerges reads the merges array at the scanner. Large indented files are read in
// parts side by side: a line feed cannot stand inside a JSON string, so an element that
// begins a line is a safe place to cut. Parts past the end of the array hold other keys of
// the file; they are dropped, whatever came of them.
func parseMerges(s *scanner, vocab *vocabulary, prefixLength int) ([][]merge, error) {
	s.expect('[')
	opener := s.peek()
	if s.err != nil {
		return nil, fmt.Errorf("merges: %w", s.err)
	}
	cuts := cutPoints(s.data, s.pos, opener)
	type result struct {
		merges []merge
		closed bool
		err    error
		end    int
	}
	results := make([]result, len(cuts)-1)
	var wait sync.WaitGroup
	for i := range results {
		wait.Go(func() {
			part := &scanner{data: s.data[:cuts[i+1]], pos: cuts[i]}
			p := &mergeParser{vocab: vocab, prefixLength: prefixLength}
			r := &results[i]
			r.merges, r.closed, r.err = p.elements(part, true)
			r.end = part.pos
		})
	}
	wait.Wait()
	var parts [][]merge
	for _, r := range results {
		if r.err != nil {
			return nil, fmt.Errorf("merges: %w", r.err)
		}
		parts = append(parts, r.merges)
		if r.closed {
			s.pos = r.end
			return parts, nil
		}
	}
	s.fail("array without end")
	return nil, fmt.Errorf("merges: %w", s.err)
}

// cutPoints returns the borders of the parts of data[start:], each at an element.
func cutPoints(data []byte, start int, opener byte) []int {
	n := min(runtime.GOMAXPROCS(0), (len(data)-start)/parallelBytes+1)
	cuts := []int{start}
	for i := 1; i < n; i++ {
		at := start + (len(data)-start)/n*i
		if at = elementAfter(data, at, opener); at > cuts[len(cuts)-1] {
			cuts = append(cuts, at)
		}
	}
	return append(cuts, len(data))
}

// elementAfter finds the next line at or after pos that begins with opener and lies right
// behind a comma, and returns the opener's offset; 0 if there is none near.
func elementAfter(data []byte, pos int, opener byte) int {
	for limit := min(len(data), pos+parallelBytes); pos < limit; pos++ {
		if data[pos] != '\n' || data[pos-1] != ',' {
			continue
		}
		s := scanner{data: data[:limit], pos: pos}
		if s.peek() == opener {
			return s.pos
		}
	}
	return 0
}
