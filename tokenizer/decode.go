package tokenizer

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// stage is one step of decoding. It receives tokens one by one and passes on what is
// certain: whole decoding and decoding while tokens arrive are the same code, so that they
// cannot differ. A stage serves one stream.
type stage interface {
	push(token string, next func(string))
	flush(next func(string)) // the stream ends
}

// newStage makes a fresh stage.
type newStage func() stage

// parseDecoder builds the stages of the decoder of tokenizer.json.
func parseDecoder(raw json.RawMessage) ([]newStage, error) {
	var b decoderBuilder
	c, err := parseComponent(raw)
	if err == nil && c.kind == "" {
		return []newStage{func() stage { return &spaced{} }}, nil
	}
	if err == nil {
		err = b.add(c)
	}
	if err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	return b.stages, nil
}

// decoderBuilder gathers stages. Behind Fuse or ByteLevel the whole text is one token,
// which reaches later stages in fragments.
type decoderBuilder struct {
	stages []newStage
	fused  bool
}

func (b *decoderBuilder) add(c component) error {
	switch c.kind {
	case "Sequence":
		return b.addSequence(c)
	case "ByteLevel":
		b.stages = append(b.stages, func() stage { return &bytesDecoder{} })
		b.fused = true
	case "ByteFallback":
		b.stages = append(b.stages, func() stage { return &byteFallback{} })
	case "Fuse":
		b.fused = true
	case "Replace":
		return b.addReplace(c)
	case "Strip":
		return b.addStrip(c)
	case "Metaspace":
		settings, err := parseMetaspace(c)
		if err != nil {
			return err
		}
		b.stages = append(b.stages, func() stage { return &metaspaceDecoder{settings: settings} })
	default:
		return fmt.Errorf("%q is not supported", c.kind)
	}
	return nil
}

func (b *decoderBuilder) addSequence(c component) error {
	var settings struct{ Decoders []json.RawMessage }
	if err := c.into(&settings); err != nil {
		return err
	}
	for _, raw := range settings.Decoders {
		part, err := parseComponent(raw)
		if err == nil {
			err = b.add(part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *decoderBuilder) addReplace(c component) error {
	replace, err := parseReplace(c)
	if err != nil {
		return err
	}
	if b.fused {
		b.stages = append(b.stages, func() stage { return &gathered{} }) // matches may span fragments
	}
	b.stages = append(b.stages, func() stage { return rewrite(replace) })
	return nil
}

func (b *decoderBuilder) addStrip(c component) error {
	var settings struct {
		Content     string
		Start, Stop int
	}
	if err := c.into(&settings); err != nil {
		return err
	}
	if utf8.RuneCountInString(settings.Content) != 1 {
		return fmt.Errorf("Strip: content %q is not one character", settings.Content)
	}
	if b.fused && settings.Stop == 0 {
		b.stages = append(b.stages, func() stage { return &stripFront{settings.Content, settings.Start} })
		return nil
	}
	if b.fused {
		b.stages = append(b.stages, func() stage { return &gathered{} })
	}
	b.stages = append(b.stages, func() stage {
		return rewrite(func(token string) string { return strip(token, settings.Content, settings.Start, settings.Stop) })
	})
	return nil
}

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

// Decoder turns ids into text while they arrive. Characters spread over several tokens
// come out whole; all its output together equals Tokenizer.Decode of the same ids. It
// serves one sequence and one goroutine.
type Decoder struct {
	// SkipSpecial leaves out the tokens that Decode leaves out with skipSpecial.
	SkipSpecial bool

	tokenizer *Tokenizer
	chain     func(string) // the first stage with all later ones behind it
	stages    []stage
	nexts     []func(string)
	out       strings.Builder
}

// NewDecoder begins the decoding of one sequence.
func (t *Tokenizer) NewDecoder() *Decoder {
	d := &Decoder{tokenizer: t}
	n := len(t.decoder)
	d.stages, d.nexts = make([]stage, n), make([]func(string), n+1)
	d.nexts[n] = func(text string) { d.out.WriteString(text) }
	for i := n - 1; i >= 0; i-- {
		stage, next := t.decoder[i](), d.nexts[i+1]
		d.stages[i] = stage
		d.nexts[i] = func(token string) { stage.push(token, next) }
	}
	return d
}

// Push adds an id and returns the text that is certain since then, often "". Ids outside
// the vocabulary add nothing.
func (d *Decoder) Push(id int) string {
	d.push(id)
	return d.take()
}

// Flush ends the sequence and returns what was held back.
func (d *Decoder) Flush() string {
	d.flush()
	return d.take()
}

func (d *Decoder) push(id int) {
	token, ok := d.tokenizer.token(id)
	if !ok || d.SkipSpecial && d.tokenizer.added.isSpecial(id) {
		return
	}
	d.nexts[0](token)
}

func (d *Decoder) flush() {
	for i, stage := range d.stages {
		stage.flush(d.nexts[i+1])
	}
}

func (d *Decoder) take() string {
	text := d.out.String()
	d.out.Reset()
	return text
}

// Decode returns the text of a whole sequence without any cleaning up of spaces. With
// skipSpecial the added tokens marked special are left out. Ids outside the vocabulary
// are ignored.
func (t *Tokenizer) Decode(ids []int, skipSpecial bool) string {
	d := t.NewDecoder()
	d.SkipSpecial = skipSpecial
	for _, id := range ids {
		d.push(id)
	}
	d.flush()
	return d.take()
}

// TokenString returns the text of one id decoded alone: special tokens show their own
// text, parts of characters are U+FFFD, an id outside the vocabulary is "".
func (t *Tokenizer) TokenString(id int) string { return t.Decode([]int{id}, false) }
