package pyjson

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// encoding is a way to write text in bytes.
type encoding struct {
	unit  int // bytes of a unit: 1 (UTF-8), 2 (UTF-16) or 4 (UTF-32)
	order binary.ByteOrder
	bom   int // bytes of a byte order mark in front
}

// detect finds the encoding of a JSON document by its byte order mark, else by where its
// first characters, which are ASCII, leave zero bytes.
func detect(b []byte) encoding {
	starts := func(mark string) bool { return len(b) >= len(mark) && string(b[:len(mark)]) == mark }
	switch {
	case starts("\x00\x00\xfe\xff"):
		return encoding{4, binary.BigEndian, 4}
	case starts("\xff\xfe\x00\x00"):
		return encoding{4, binary.LittleEndian, 4}
	case starts("\xfe\xff"):
		return encoding{2, binary.BigEndian, 2}
	case starts("\xff\xfe"):
		return encoding{2, binary.LittleEndian, 2}
	case starts("\xef\xbb\xbf"):
		return encoding{1, nil, 3}
	case len(b) >= 4 && b[0] == 0 && b[1] == 0:
		return encoding{4, binary.BigEndian, 0}
	case len(b) >= 4 && b[1] == 0 && b[2] == 0 && b[3] == 0:
		return encoding{4, binary.LittleEndian, 0}
	case (len(b) >= 4 || len(b) == 2) && b[0] == 0:
		return encoding{2, binary.BigEndian, 0}
	case (len(b) >= 4 || len(b) == 2) && b[1] == 0:
		return encoding{2, binary.LittleEndian, 0}
	}
	return encoding{1, nil, 0}
}

// decode returns the text of a document. Halves of surrogate pairs, which Python lets through
// and cannot write again, become U+FFFD. ok is false where the bytes are no text.
func decode(b []byte) (text string, ok bool) {
	e := detect(b)
	b = b[e.bom:]
	switch e.unit {
	case 2:
		return decodeUTF16(b, e.order)
	case 4:
		return decodeUTF32(b, e.order)
	}
	if utf8.Valid(b) {
		return string(b), true
	}
	return replaceSurrogates(b)
}

// replaceSurrogates decodes UTF-8 whose only fault are encoded halves of surrogate pairs.
func replaceSurrogates(b []byte) (string, bool) {
	var out strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			half := len(b) >= 3 && b[0] == 0xED && b[1] >= 0xA0 && b[1] <= 0xBF && b[2]&0xC0 == 0x80
			if !half {
				return "", false
			}
			size = 3
		}
		out.WriteRune(r)
		b = b[size:]
	}
	return out.String(), true
}

func decodeUTF16(b []byte, order binary.ByteOrder) (string, bool) {
	if len(b)%2 != 0 {
		return "", false
	}
	var out strings.Builder
	for i := 0; i < len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		if isHighSurrogate(r) && i+4 <= len(b) {
			if low := rune(order.Uint16(b[i+2:])); isLowSurrogate(low) {
				r = joinSurrogates(r, low)
				i += 2
			}
		}
		out.WriteRune(r) // a half alone is written as U+FFFD
	}
	return out.String(), true
}

func decodeUTF32(b []byte, order binary.ByteOrder) (string, bool) {
	if len(b)%4 != 0 {
		return "", false
	}
	var out strings.Builder
	for i := 0; i < len(b); i += 4 {
		r := order.Uint32(b[i:])
		if r > utf8.MaxRune {
			return "", false
		}
		out.WriteRune(rune(r))
	}
	return out.String(), true
}

func isHighSurrogate(r rune) bool { return r >= 0xD800 && r < 0xDC00 }
func isLowSurrogate(r rune) bool  { return r >= 0xDC00 && r < 0xE000 }

func joinSurrogates(high, low rune) rune { return 0x10000 + (high-0xD800)<<10 + (low - 0xDC00) }
