package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// strip removes content up to start times in front and up to stop times at the end.
func strip(token, content string, start, stop int) string {
	for ; start > 0 && strings.HasPrefix(token, content); start-- {
		token = token[len(content):]
	}
	for ; stop > 0 && strings.HasSuffix(token, content); stop-- {
		token = token[:len(token)-len(content)]
	}
	return token
}

// rewrite is a stage that treats every token alike.
type rewrite func(string) string

func (r rewrite) push(token string, next func(string)) { next(r(token)) }
func (r rewrite) flush(func(string))                   {}

// gathered holds everything back until the end.
type gathered struct{ text strings.Builder }

func (g *gathered) push(token string, _ func(string)) { g.text.WriteString(token) }
func (g *gathered) flush(next func(string))           { next(g.text.String()) }

// spaced stands for a missing decoder: tokens are joined by spaces.
type spaced struct{ started bool }

func (s *spaced) push(token string, next func(string)) {
	if s.started {
		token = " " + token
	}
	s.started = true
	next(token)
}
func (s *spaced) flush(func(string)) {}

// stripFront removes content up to left times from the front of the whole text.
type stripFront struct {
	content string
	left    int
}

func (s *stripFront) push(token string, next func(string)) {
	for ; s.left > 0 && token != ""; s.left-- {
		if !strings.HasPrefix(token, s.content) {
			s.left = 0
			break
		}
		token = token[len(s.content):]
	}
	next(token)
}
func (s *stripFront) flush(func(string)) {}

// bytesDecoder undoes the byte-level spelling. A character cut off at the end of a token
// waits for its other bytes.
type bytesDecoder struct{ pending []byte }

func (d *bytesDecoder) push(token string, next func(string)) {
	d.pending = appendBytesOf(d.pending, token)
	ready := completePrefix(d.pending)
	next(lossy(d.pending[:ready]))
	d.pending = append(d.pending[:0], d.pending[ready:]...)
}

func (d *bytesDecoder) flush(next func(string)) { next(lossy(d.pending)) }

// byteFallback turns runs of <0xNN> tokens into text. A run that is not valid UTF-8 as a
// whole is one U+FFFD per byte, so it waits for its end.
type byteFallback struct{ run []byte }

func (f *byteFallback) push(token string, next func(string)) {
	if b, ok := byteToken(token); ok {
		f.run = append(f.run, b)
		return
	}
	f.flush(next)
	next(token)
}

func (f *byteFallback) flush(next func(string)) {
	if utf8.Valid(f.run) {
		if len(f.run) > 0 {
			next(string(f.run))
		}
	} else {
		for range f.run {
			next(string(utf8.RuneError))
		}
	}
	f.run = f.run[:0]
}

// byteToken reads a token of the form <0xNN>.
func byteToken(token string) (byte, bool) {
	if len(token) != 6 || token[:3] != "<0x" || token[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(b), err == nil
}

// metaspaceDecoder turns the visible space back; the first token loses those in it, because
// the pre-tokenizer put one there.
type metaspaceDecoder struct {
	settings metaspace
	started  bool
}

func (d *metaspaceDecoder) push(token string, next func(string)) {
	with := " "
	if !d.started && d.settings.scheme != "never" {
		with = ""
	}
	d.started = true
	next(strings.ReplaceAll(token, d.settings.Replacement, with))
}
func (d *metaspaceDecoder) flush(func(string)) {}
