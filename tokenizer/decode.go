package tokenizer

import "strings"

// Decoder turns ids into text while they arrive. Characters spread over several tokens
// come out whole; all its output together equals Tokenizer.Decode of the same ids. It
// serves one sequence and one goroutine.
type Decoder struct {
	// SkipSpecial leaves out the tokens that Decode leaves out with skipSpecial.
	SkipSpecial bool

	tokenizer *Tokenizer
	stages    []stage
	nexts     []func(string) // nexts[i] hands a token to stage i; the last one is the output
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
