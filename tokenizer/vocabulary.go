package tokenizer

import (
	"fmt"
	"hash/maphash"
)

// maxTokenID bounds ids read from files, so that a damaged file cannot ask for the memory
// of billions of entries.
const maxTokenID = 1 << 24

// vocabulary maps tokens to ids and back. Texts lie in one arena; the hash table holds ids.
// It is built once and then only read.
type vocabulary struct {
	seed  maphash.Seed
	arena []byte
	spans []span // by id; a zero length with absent set means no token has this id
	slots []slot // open addressing, power of two
	count int
}

type span struct {
	start  uint32
	length uint32 // 1 more than the text's length; 0 = absent
}

type slot struct {
	hash uint32
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
	hash := uint32(maphash.Bytes(v.seed, token))
	i := hash & uint32(len(v.slots)-1)
	for ; v.slots[i].id != 0; i = (i + 1) & uint32(len(v.slots)-1) {
		if v.slots[i].hash == hash && string(v.bytes(int(v.slots[i].id)-1)) == string(token) {
			v.slots[i].id = int32(id) + 1
			return nil
		}
	}
	v.slots[i] = slot{hash, int32(id) + 1}
	if v.count++; 4*v.count > 3*len(v.slots) {
		v.grow()
	}
	return nil
}

func (v *vocabulary) grow() {
	old := v.slots
	v.slots = make([]slot, 4*len(old))
	mask := uint32(len(v.slots) - 1)
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
	return v.find(uint32(maphash.String(v.seed, token)), token)
}

// idBytes is id for a token held as bytes.
func (v *vocabulary) idBytes(token []byte) int32 {
	mask := uint32(len(v.slots) - 1)
	hash := uint32(maphash.Bytes(v.seed, token))
	for i := hash & mask; v.slots[i].id != 0; i = (i + 1) & mask {
		if v.slots[i].hash == hash && string(v.bytes(int(v.slots[i].id)-1)) == string(token) {
			return v.slots[i].id - 1
		}
	}
	return -1
}

func (v *vocabulary) find(hash uint32, token string) int32 {
	mask := uint32(len(v.slots) - 1)
	for i := hash & mask; v.slots[i].id != 0; i = (i + 1) & mask {
		if v.slots[i].hash == hash && string(v.bytes(int(v.slots[i].id)-1)) == token {
			return v.slots[i].id - 1
		}
	}
	return -1
}

// bytes returns the text of an id known to exist.
func (v *vocabulary) bytes(id int) []byte {
	s := v.spans[id]
	return v.arena[s.start : s.start+s.length-1]
}

// text returns the token of an id, false if the id has none.
func (v *vocabulary) text(id int) (string, bool) {
	if id < 0 || id >= len(v.spans) || v.spans[id].length == 0 {
		return "", false
	}
	return string(v.bytes(id)), true
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
