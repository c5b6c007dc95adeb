package engine

import (
	"context"
	"slices"

	"npinf/model"
	"npinf/tokenizer"
)

// generation is one text being generated. Its events never block the scheduler, because
// there is room for all of them.
type generation struct {
	tokenizer *tokenizer.Tokenizer
	sampler   *sampler
	stops     map[int]bool
	text      *continuation
	logprobs  int // alternatives told per token
	left      int // tokens that may still come
	events    chan event
}

// event is what one token brought. The last one of a generation has end set.
type event struct {
	text    string
	logprob *TokenLogprob
	end     bool
	err     error
}

// newGeneration prepares the continuation of a prompt by at most count tokens.
func (w *world) newGeneration(s Steering, prompt []int, count int) *generation {
	return &generation{tokenizer: w.tokenizer, sampler: newSampler(s, prompt), stops: w.stops, text: w.continuation(prompt),
		logprobs: s.Logprobs, left: count, events: make(chan event, count+2)}
}

// task makes the generation one of the scheduler's. edited tells its edits apart from others.
func (g *generation) task(ctx context.Context, prompt []int, edits []model.Edit, edited string) *task {
	return &task{ctx: ctx, tokens: prompt, edits: edits, edited: edited, most: len(prompt) + g.left, choose: g.choose, finish: g.finish}
}

// choose takes the next token. A stop token ends the text and is not part of it.
func (g *generation) choose(logits []float32) (next int, more bool, err error) {
	if !finite(logits) {
		return 0, false, errNonFinite("the logits")
	}
	var told *TokenLogprob
	raw := logits
	if g.logprobs > 0 && g.sampler.counts != nil {
		raw = append([]float32(nil), logits...) // the penalty changes them
	}
	next = g.sampler.pick(logits)
	if g.stops[next] {
		g.events <- event{text: g.text.flush(), end: true}
		return 0, false, nil
	}
	if g.logprobs > 0 {
		probability := logprobs(g.tokenizer, raw, next, g.logprobs)
		told = &probability
	}
	g.left--
	news := event{text: g.text.push(next), logprob: told, end: g.left == 0}
	if news.end {
		news.text += g.text.flush()
	}
	g.events <- news
	return next, !news.end, nil
}

func (g *generation) finish(err error) {
	if err != nil {
		g.events <- event{err: err}
	}
	close(g.events)
}

// continuation decodes what follows a prompt. The decoder has seen the prompt, because the
// text of a token can depend on those before it.
type continuation struct {
	decoder *tokenizer.Decoder
	owed    int // bytes of the prompt's text that the decoder has held back
}

func (w *world) continuation(prompt []int) *continuation {
	decoder := w.tokenizer.NewDecoder()
	given := 0
	for _, id := range prompt {
		given += len(decoder.Push(id))
	}
	return &continuation{decoder, len(w.tokenizer.Decode(prompt, false)) - given}
}

func (c *continuation) push(id int) string { return c.news(c.decoder.Push(id)) }

func (c *continuation) flush() string { return c.news(c.decoder.Flush()) }

// news cuts off what belongs to the prompt.
func (c *continuation) news(text string) string {
	cut := min(c.owed, len(text))
	c.owed -= cut
	return text[cut:]
}

// course is how far one output of an answer has come.
type course struct {
	kind     SteerType
	text     string
	logprobs []TokenLogprob
}

// follow lets the outputs of an answer grow in the order of types, though all are generated
// at the same time: clients of the server npinf replaces expect one after the other. show is
// called whenever a text has grown, and last is true in the last call.
func follow(types []SteerType, generations map[SteerType]*generation, show func(courses []course, last bool) error) ([]course, error) {
	courses := make([]course, len(types))
	for i, kind := range types {
		courses[i].kind = kind
		if generations[kind].logprobs > 0 {
			courses[i].logprobs = []TokenLogprob{}
		}
	}
	told := map[SteerType][]event{}
	for i, kind := range types {
		take := func(e event) error {
			if e.err != nil {
				return e.err
			}
			courses[i].text += e.text
			last := e.end && i == len(types)-1
			if e.logprob != nil {
				courses[i].logprobs = append(courses[i].logprobs, *e.logprob)
			}
			silent := e.end && courses[i].text == "" // clients are told of an end without any text
			if e.text == "" && !silent && !(last && anyLogprobs(courses)) {
				return nil
			}
			return show(courses, last)
		}
		if err := replayOr(told, kind, generations[kind].events, take); err != nil {
			return nil, err
		}
	}
	return courses, nil
}

// anyLogprobs reports whether there is something to tell beside the texts.
func anyLogprobs(courses []course) bool {
	return slices.ContainsFunc(courses, func(c course) bool { return len(c.logprobs) > 0 })
}

// replayOr takes the events of a type, from its generation the first time and from memory
// when it was asked for twice.
func replayOr(told map[SteerType][]event, kind SteerType, events <-chan event, take func(event) error) error {
	earlier, again := told[kind]
	if again {
		for _, e := range earlier {
			if err := take(e); err != nil {
				return err
			}
		}
		return nil
	}
	told[kind] = []event{}
	for e := range events {
		told[kind] = append(told[kind], e)
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}
