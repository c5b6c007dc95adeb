package tokenizer

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// bpe is a byte pair encoding model: it splits a word into characters and merges
// neighbours, the lowest rank first and among equals the leftmost. Safe for concurrent use.
type bpe struct {
	vocab        *vocabulary
	merges       *mergeTable
	unknown      int32 // id of unk_token, -1 without one (such characters vanish)
	fuseUnknown  bool  // neighbouring unknown characters become one token
	ignoreMerges bool  // a word that is in the vocabulary is one token, whatever the merges say
	byteIDs      *[256]int32
	prefix       string // continuing_subword_prefix, before every character but the first
	suffix       string // end_of_word_suffix, behind the last character
	scratch      sync.Pool
}

// symbol is a piece of the word under work, in a doubly linked list.
type symbol struct {
	id         int32 // -1 once merged into its left neighbour
	prev, next int32 // -1 at the ends
}

// candidate is a possible merge of the symbol at position with its right neighbour.
type candidate struct {
	rank     uint32
	position int32
	into     int32
}

// before orders candidates: rank, then position.
func (c candidate) before(d candidate) bool {
	return c.rank < d.rank || c.rank == d.rank && c.position < d.position
}

// workspace is the memory of one merge run, reused through a pool.
type workspace struct {
	symbols []symbol
	heap    []candidate
}

// byteFallbackIDs finds the tokens <0x00> to <0xFF>; ids of missing ones are -1.
func byteFallbackIDs(v *vocabulary) *[256]int32 {
	ids := new([256]int32)
	for b := range ids {
		ids[b] = v.id(fmt.Sprintf("<0x%02X>", b))
	}
	return ids
}

// appendIDs appends the ids of one word.
func (m *bpe) appendIDs(ids []int, word string) []int {
	if word == "" {
		return ids
	}
	if m.ignoreMerges {
		if id := m.vocab.id(word); id >= 0 {
			return append(ids, int(id))
		}
	}
	w, _ := m.scratch.Get().(*workspace)
	if w == nil {
		w = new(workspace)
	}
	w.symbols, w.heap = w.symbols[:0], w.heap[:0]
	m.split(w, word)
	m.mergeAll(w)
	for i := range w.symbols {
		if id := w.symbols[i].id; id >= 0 {
			ids = append(ids, int(id))
		}
	}
	m.scratch.Put(w)
	return ids
}

// split fills the workspace with the characters of a word. What the vocabulary lacks
// becomes its bytes' tokens when there is one for each, else the unknown token.
func (m *bpe) split(w *workspace, word string) {
	unknown := false // an unknown token is due before the next known one
	for i := 0; i < len(word); {
		_, size := utf8.DecodeRuneInString(word[i:])
		char := word[i : i+size]
		if m.prefix != "" && i > 0 {
			char = m.prefix + char
		}
		if i += size; m.suffix != "" && i == len(word) {
			char += m.suffix
		}
		id := m.vocab.id(char)
		switch {
		case id >= 0:
			if unknown {
				w.push(m.unknown)
				unknown = false
			}
			w.push(id)
		case m.byteIDs != nil && m.pushBytes(w, char):
		case m.unknown >= 0:
			if unknown && !m.fuseUnknown {
				w.push(m.unknown)
			}
			unknown = true
		}
	}
	if unknown {
		w.push(m.unknown)
	}
}

// pushBytes pushes the tokens of all bytes of char, or nothing if one of them is missing.
func (m *bpe) pushBytes(w *workspace, char string) bool {
	for i := range len(char) {
		if m.byteIDs[char[i]] < 0 {
			return false
		}
	}
	for i := range len(char) {
		w.push(m.byteIDs[char[i]])
	}
	return true
}

func (w *workspace) push(id int32) {
	n := int32(len(w.symbols))
	w.symbols = append(w.symbols, symbol{id: id, prev: n - 1, next: -1})
	if n > 0 {
		w.symbols[n-1].next = n
	}
}

// mergeAll merges until no neighbours do. A heap keeps it at O(n log n) for any word.
func (m *bpe) mergeAll(w *workspace) {
	for i := range w.symbols {
		m.propose(w, int32(i))
	}
	for len(w.heap) > 0 {
		c := w.pop()
		left := &w.symbols[c.position]
		if left.id < 0 || left.next < 0 {
			continue
		}
		right := &w.symbols[left.next]
		if _, into, ok := m.merges.get(left.id, right.id); !ok || into != c.into {
			continue // an older candidate: one of the two has changed since
		}
		left.id, left.next = c.into, right.next
		right.id = -1
		if right.next >= 0 {
			w.symbols[right.next].prev = c.position
		}
		if left.prev >= 0 {
			m.propose(w, left.prev)
		}
		m.propose(w, c.position)
	}
}

// propose puts the merge of the symbol at position with its right neighbour on the heap.
func (m *bpe) propose(w *workspace, position int32) {
	next := w.symbols[position].next
	if next < 0 {
		return
	}
	if rank, into, ok := m.merges.get(w.symbols[position].id, w.symbols[next].id); ok {
		w.insert(candidate{rank, position, into})
	}
}

// insert adds to the binary heap.
func (w *workspace) insert(c candidate) {
	w.heap = append(w.heap, c)
	i := len(w.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !c.before(w.heap[parent]) {
			break
		}
		w.heap[i] = w.heap[parent]
		i = parent
	}
	w.heap[i] = c
}

// pop removes the first candidate from the binary heap.
func (w *workspace) pop() candidate {
	top := w.heap[0]
	last := w.heap[len(w.heap)-1]
	w.heap = w.heap[:len(w.heap)-1]
	if len(w.heap) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(w.heap) {
			break
		}
		if child+1 < len(w.heap) && w.heap[child+1].before(w.heap[child]) {
			child++
		}
		if !w.heap[child].before(last) {
			break
		}
		w.heap[i] = w.heap[child]
		i = child
	}
	w.heap[i] = last
	return top
}
