package tokenizer

import (
	"fmt"
	"hash/maphash"
)

// maxTokenID and sparseTokenID bound ids read from files, since the tables go up to the
// largest id: a vocabulary has more bytes than tokens, so that an id beyond the bytes of its
// file is damage, unless somebody cut a vocabulary of the usual size down to a few tokens.
const (
	maxTokenID    = 1 << 24
	sparseTokenID = 1 << 19
)

// vocabulary maps tokens to ids and back. Texts lie in one arena; the hash table holds ids.
// It is built once and then only read.
type vocabulary struct {
	seed  maphash.Seed
	arena []byte
	spans []span // by id
	slots []slot // open addressing, power of two
	count int
	// collides tells that two tokens share their 64-bit hash, so that a hash alone does
	// not name a token.
	collides bool
}

type span struct {
	start  uint32
	length uint32 // 1 more than the text's length; 0: no token has this id
}

type slot struct {
	hash uint64
	id   int32 // 1 more than the id; 0 = free
}

func newVocabulary() *vocabulary {
	return &vocabulary{seed: maphash.MakeSeed(), slots: make([]slot, 1<<12)}
}

// add gives a token an id. A token added twice keeps the later id, as a JSON object's keys do.
func (v *vocabulary) add(token []byte, id int) error {
	if uint64(len(v.arena))+uint64(len(token)) > 1<<31 {
		return fmt.Errorf("vocabulary texts exceed 2 GiB")
	}
	for id >= len(v.spans) {
		v.spans = append(v.spans, span{})
	}
	v.spans[id] = span{uint32(len(v.arena)), uint32(len(token)) + 1}
	v.arena = append(v.arena, token...)
	hash, mask := maphash.Bytes(v.seed, token), uint64(len(v.slots)-1)
	i := hash & mask
	for ; v.slots[i].id != 0; i = (i + 1) & mask {
		if v.slots[i].hash != hash {
			continue
		}
		if string(v.bytes(v.slots[i].id-1)) == string(token) {
			v.slots[i].id = int32(id) + 1
			return nil
		}
		v.collides = true
	}
	v.slots[i] = slot{hash, int32(id) + 1}
	if v.count++; 2*v.count > len(v.slots) {
		v.grow()
	}
	return nil
}

func (v *vocabulary) grow() {
	old := v.slots
	v.slots = make([]slot, 4*len(old))
	mask := uint64(len(v.slots) - 1)
	for _, s := range old {
		if s.id == 0 {
			continue
		}
		i := s.hash & mask
		for v.slots[i].id != 0 {
			i = (i + 1) & mask
		}
		v.slots[i] = s
	}
}

// id returns the id of a token, -1 if there is none.
func (v *vocabulary) id(token string) int32 {
	hash, mask := maphash.String(v.seed, token), uint64(len(v.slots)-1)
	for i := hash & mask; v.slots[i].id != 0; i = (i + 1) & mask {
		if v.slots[i].hash == hash && string(v.bytes(v.slots[i].id-1)) == token {
			return v.slots[i].id - 1
		}
	}
	return -1
}

// idByHash is id without a look at the text: one cache miss instead of three, which halves
// the time to load a million merges. It is exact for tokens of the vocabulary, since their
// hashes are known to differ; an absent token passes for another once in 2^40 or more.
func (v *vocabulary) idByHash(token []byte) int32 {
	if v.collides {
		return v.id(string(token))
	}
	hash, mask := maphash.Bytes(v.seed, token), uint64(len(v.slots)-1)
	for i := hash & mask; v.slots[i].id != 0; i = (i + 1) & mask {
		if v.slots[i].hash == hash {
			return v.slots[i].id - 1
		}
	}
	return -1
}

// bytes returns the text of an id known to exist.
func (v *vocabulary) bytes(id int32) []byte {
	s := v.spans[id]
	return v.arena[s.start : s.start+s.length-1]
}

// text returns the token of an id, false if the id has none.
func (v *vocabulary) text(id int) (string, bool) {
	if id < 0 || id >= len(v.spans) || v.spans[id].length == 0 {
		return "", false
	}
	return string(v.bytes(int32(id))), true
}

// parseVocabulary reads the JSON object {token: id} at the scanner.
func parseVocabulary(s *scanner) (*vocabulary, error) {
	v := newVocabulary()
	scratch := make([]byte, 0, 256)
	s.expect('{')
	for first := true; s.more('}', first); first = false {
		token := s.text(scratch[:0])
		s.expect(':')
		id := s.integer()
		if s.err != nil {
			break
		}
		if err := v.add(token, id); err != nil {
			return nil, err
		}
	}
	if s.err != nil {
		return nil, fmt.Errorf("vocab: %w", s.err)
	}
	return v, nil
}
