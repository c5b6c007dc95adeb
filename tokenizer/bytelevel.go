package tokenizer

import "unicode/utf8"

// Byte-level tokenizers write every byte as one printable character: printable Latin-1
// bytes as themselves, the other 68 as U+0100 upwards in order (GPT-2, bytes_to_unicode).
var (
	byteRunes = makeByteRunes()
	runeBytes = makeRuneBytes()
)

func makeByteRunes() (table [256]rune) {
	next := rune(256)
	for b := range table {
		r := rune(b)
		if r < '!' || r > '~' && r < 0xA1 || r == 0xAD {
			r = next
			next++
		}
		table[b] = r
	}
	return table
}

// makeRuneBytes inverts byteRunes: byte + 1, 0 where no byte is written so.
func makeRuneBytes() (table [324]uint16) {
	for b, r := range byteRunes {
		table[r] = uint16(b) + 1
	}
	return table
}

// appendByteLevel appends the byte-level spelling of text.
func appendByteLevel(out []byte, text string) []byte {
	for i := range len(text) {
		if r := byteRunes[text[i]]; r < utf8.RuneSelf {
			out = append(out, byte(r))
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// appendBytesOf appends the bytes that a byte-level token stands for; a token with any
// character outside that alphabet stands for its own UTF-8.
func appendBytesOf(out []byte, token string) []byte {
	start := len(out)
	for _, r := range token {
		if int(r) >= len(runeBytes) || runeBytes[r] == 0 {
			return append(out[:start], token...)
		}
		out = append(out, byte(runeBytes[r]-1))
	}
	return out
}
