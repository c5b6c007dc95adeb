package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
)

func (u *unpickler) scalar(code byte) error {
	switch code {
	case 'N':
		u.push(nil)
		return nil
	case 0x88, 0x89:
		u.push(code == 0x88)
		return nil
	case 0x8a, 0x8b: // LONG1, LONG4
		raw, err := u.counted(map[byte]int{0x8a: 1, 0x8b: 4}[code])
		if err == nil {
			u.push(longOf(raw))
		}
		return err
	case 'G':
		raw, err := u.take(8)
		if err == nil {
			u.push(math.Float64frombits(binary.BigEndian.Uint64(raw)))
		}
		return err
	}
	width := map[byte]int{'K': 1, 'M': 2, 'J': 4}[code]
	value, err := u.number(width)
	if code == 'J' {
		u.push(int64(int32(value)))
	} else {
		u.push(int64(value))
	}
	return err
}

// longOf decodes a little-endian two's complement number: an int64, or a *big.Int when it
// is larger.
func longOf(raw []byte) any {
	bigEndian := slices.Clone(raw)
	slices.Reverse(bigEndian)
	value := new(big.Int).SetBytes(bigEndian)
	if len(raw) > 0 && raw[len(raw)-1] >= 0x80 {
		value.Sub(value, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	if value.IsInt64() {
		return value.Int64()
	}
	return value
}

func (u *unpickler) text(code byte) error {
	width := map[byte]int{'X': 4, 0x8c: 1, 0x8d: 8, 'B': 4, 'C': 1, 0x8e: 8, 'T': 4, 'U': 1}[code]
	raw, err := u.counted(width)
	if err != nil {
		return err
	}
	switch code {
	case 'B', 'C', 0x8e:
		u.push(raw)
	default:
		u.push(string(raw))
	}
	return nil
}

// remember stores the top of the stack in the memo, or pushes something from there.
func (u *unpickler) remember(code byte) error {
	key := len(u.memo) // MEMOIZE
	if width, numbered := map[byte]int{'q': 1, 'r': 4, 'h': 1, 'j': 4}[code]; numbered {
		value, err := u.number(width)
		if err != nil {
			return err
		}
		key = int(value)
	}
	if code == 'h' || code == 'j' {
		value, found := u.memo[key]
		if !found {
			return fmt.Errorf("the pickle recalls value %d, which it never stored", key)
		}
		u.push(value)
		return nil
	}
	value, err := u.pop()
	if err != nil {
		return err
	}
	u.push(value)
	if code == '2' {
		u.push(value)
	} else {
		u.memo[key] = value
	}
	return nil
}

func (u *unpickler) container(code byte) error {
	var items []any
	var err error
	switch code {
	case '}':
		u.push(&Dict{})
		return nil
	case 't', 'l':
		items, err = u.popMark()
	case 0x85, 0x86, 0x87: // TUPLE1 … TUPLE3
		items, err = u.popSome(int(code) - 0x84)
	}
	u.push(&list{items})
	return err
}

// fill adds items to the list, set or dictionary below them.
func (u *unpickler) fill(code byte) error {
	var items []any
	var err error
	switch code {
	case 'a':
		items, err = u.popSome(1)
	case 's':
		items, err = u.popSome(2)
	default:
		items, err = u.popMark()
	}
	if err != nil {
		return err
	}
	if code == 'd' {
		u.push(&Dict{})
	}
	if len(u.stack) == 0 {
		return errors.New("the pickle fills a container that is not there")
	}
	switch target := u.stack[len(u.stack)-1].(type) {
	case *list:
		if code == 'a' || code == 'e' || code == 0x90 {
			target.items = append(target.items, items...)
			return nil
		}
	case *Dict:
		if (code == 's' || code == 'u' || code == 'd') && len(items)%2 == 0 {
			for pair := range slices.Chunk(items, 2) {
				u.set(target, pair[0], pair[1])
			}
			return nil
		}
	}
	return fmt.Errorf("pickle opcode 0x%02x at byte %d does not fit what it fills", code, u.position-1)
}

// set puts a value under a key, replacing an earlier one with an equal plain key.
func (u *unpickler) set(dict *Dict, key, value any) {
	switch key.(type) {
	case string, int64, float64, bool:
		if u.index[dict] == nil {
			u.index[dict] = map[any]int{}
		}
		if at, known := u.index[dict][key]; known {
			dict.Values[at] = value
			return
		}
		u.index[dict][key] = len(dict.Keys)
	}
	dict.Keys, dict.Values = append(dict.Keys, key), append(dict.Values, value)
}
