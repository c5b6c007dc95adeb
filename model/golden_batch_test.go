package model

import (
	"context"
	"fmt"
)

// decoding is a greedy continuation on its way.
type decoding struct {
	name   string
	prompt []int
	edits  []Edit
	want   []int

	cache *Cache
	piece int   // tokens of the prompt per step
	next  []int // the rest of the prompt, afterwards the newest token
	got   []int
}

// decodings are the recorded greedy continuations, steered ones included.
func (c *checkpoint) decodings() (all []decoding) {
	for _, g := range c.expected.Greedy {
		all = append(all, decoding{name: "greedy after " + g.Prompt, prompt: c.ids(g.Prompt), want: g.Tokens})
	}
	for i := range c.expected.Steering {
		if s := &c.expected.Steering[i]; s.Greedy != nil {
			all = append(all, decoding{name: s.Name, prompt: c.ids(s.Prompt), edits: c.steeringEdits(s), want: s.Greedy})
		}
	}
	return all
}

// checkGreedyTogether decodes sixteen sequences in one ragged batch: prompts in pieces beside
// others that generate already, steered beside unsteered. Each gets what it gets alone.
func (c *checkpoint) checkGreedyTogether() {
	known := c.decodings()
	if len(known) == 0 {
		return
	}
	var all []*decoding
	for i := range 16 {
		d := known[i%len(known)]
		d.cache, d.piece, d.next = c.model.NewCache(0), 1+i%5, d.prompt
		defer d.cache.Release()
		all = append(all, &d)
	}
	for c.step(all) {
	}
	for i, d := range all {
		if fmt.Sprint(d.got) != fmt.Sprint(d.want) {
			c.t.Errorf("sequence %d of 16, %s in pieces of %d: got %v, want %v", i, d.name, d.piece, d.got, d.want)
		}
	}
}

// step runs one batch of all that are not done, and says whether there were any.
func (c *checkpoint) step(all []*decoding) bool {
	var batch []*Sequence
	var turns []*decoding
	for _, d := range all {
		if len(d.got) < len(d.want) {
			batch = append(batch, &Sequence{Tokens: d.next[:min(d.piece, len(d.next))], Cache: d.cache, Edits: d.edits, Want: LastLogits})
			turns = append(turns, d)
		}
	}
	if len(batch) == 0 {
		return false
	}
	if err := c.model.Forward(context.Background(), batch); err != nil {
		c.t.Fatal(err)
	}
	for i, d := range turns {
		logits := c.download(batch[i].Logits)
		if d.next = d.next[len(batch[i].Tokens):]; len(d.next) == 0 {
			d.next = []int{argmax(logits)}
			d.got = append(d.got, d.next[0])
		}
	}
	return true
}

// checkGreedyUncached computes every step from the first token on. Where the frequencies of
// the rotation switch in mid-sequence that gives other tokens than a cache does, recorded too.
func (c *checkpoint) checkGreedyUncached() {
	for _, g := range c.expected.Greedy {
		want := g.Tokens
		if g.Uncached != nil {
			want = g.Uncached
		}
		tokens := append([]int{}, c.ids(g.Prompt)...)
		prompt := len(tokens)
		for range want {
			tokens = append(tokens, argmax(c.lastLogits(nil, tokens, nil)))
		}
		if got := tokens[prompt:]; fmt.Sprint(got) != fmt.Sprint(want) {
			c.t.Errorf("greedy after %s without a cache: got %v, want %v", g.Prompt, got, want)
		}
	}
}
