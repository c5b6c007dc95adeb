package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"npinf/chat"
	"npinf/kernels"
	"npinf/lens"
	"npinf/model"
)

// prefillRows is how many prompt tokens one step runs at most. Those who already generate
// wait for a step, so it bounds how much a long prompt slows them down.
const prefillRows = 128

// scheduler runs all sequences that are being generated, of all requests, in one loop. Each
// step is one forward pass over a ragged batch: the newest token of every sequence that
// generates and pieces of the prompts that have not been read yet. The loop begins with the
// first sequence and ends with the last.
type scheduler struct {
	model  *model.Model
	device kernels.Device
	memory *memory

	mu       sync.Mutex
	arrivals []*task
	running  bool
	arrived  int // sequences so far
	steps    atomic.Int64
	rows     atomic.Int64 // of all steps
	active   atomic.Int64 // sequences in the loop
}

// task is one sequence in the scheduler's hands.
type task struct {
	ctx    context.Context
	tokens []int // not yet run: the rest of the prompt, afterwards the newest token
	edits  []model.Edit
	edited string // tells edits apart, "" for none
	most   int    // positions there will be at most
	// choose gets the logits behind the last token and gives the next one; more is false when
	// the sequence ends. The logits are the scheduler's and change afterwards.
	choose func(logits []float32) (next int, more bool, err error)
	// finish is called once, when the sequence has ended and its memory is given back; err says
	// why it ended early.
	finish func(err error)

	cache *model.Cache
	ended bool
	reading
}

func newScheduler(m *model.Model, device kernels.Device, memoryBytes int64) *scheduler {
	return &scheduler{model: m, device: device, memory: newMemory(memoryBytes)}
}

// start hands sequences to the loop. Their memory must have been claimed.
func (s *scheduler) start(tasks ...*task) {
	for _, t := range tasks {
		t.cache = s.model.NewCache(0)
		t.cache.Expect(len(t.tokens))
		t.cache.Limit(t.most)
		t.prompt = t.tokens
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tasks {
		s.arrived++
		t.number = s.arrived
	}
	s.arrivals = append(s.arrivals, tasks...)
	s.active.Add(int64(len(tasks)))
	if !s.running {
		s.running = true
		go s.loop()
	}
}

// loop steps until there is nothing to do.
func (s *scheduler) loop() {
	var ring []*task // whose prompt was read longest ago comes first
	buffer := make([]float32, s.model.Info().Vocabulary)
	for {
		s.mu.Lock()
		ring = append(ring, s.arrivals...)
		s.arrivals = nil
		s.running = len(ring) > 0
		s.mu.Unlock()
		if len(ring) == 0 {
			return
		}
		ring = s.step(ring, buffer)
	}
}

// newcomers are those who have arrived since the last time.
func (s *scheduler) newcomers() []*task {
	s.mu.Lock()
	defer s.mu.Unlock()
	arrived := s.arrivals
	s.arrivals = nil
	return arrived
}

// turn is what one step does with a sequence.
type turn struct {
	*task
	sequence *model.Sequence
}

// step runs one forward pass and returns the sequences that go on, those whose prompt was
// not served this time first.
func (s *scheduler) step(ring []*task, buffer []float32) []*task {
	for _, t := range ring {
		if err := t.ctx.Err(); err != nil {
			s.end(t, err)
		}
	}
	s.share(ring, buffer)
	turns, waiting := plan(ring)
	if len(turns) == 0 {
		return waiting
	}
	err := s.forward(turns)
	if err == nil {
		for _, t := range turns {
			t.took(len(t.sequence.Tokens), t.sequence.Logits, t.cache.Len())
		}
		newcomers := s.newcomers()
		waiting = append(waiting, newcomers...)
		s.share(append(ring, newcomers...), buffer) // before anybody ends whose prompt others have
	}
	for _, t := range turns {
		s.advance(t, err, buffer)
		waiting = append(waiting, t.task)
	}
	return slices.DeleteFunc(waiting, func(t *task) bool { return t.ended })
}

// plan gives every sequence that generates its row, and the prompts in their order as many
// as fit into prefillRows. Those left out come first the next time.
func plan(ring []*task) (turns []turn, waiting []*task) {
	room := prefillRows
	for _, t := range ring {
		if t.ended {
			continue
		}
		if t.waits {
			waiting = append(waiting, t)
			continue
		}
		count := len(t.tokens)
		if prompt := count > 1 || t.cache.Len() == 0; prompt {
			count = min(count, room)
			room -= count
		}
		if count == 0 {
			waiting = append(waiting, t)
			continue
		}
		sequence := &model.Sequence{Tokens: t.tokens[:count], Cache: t.cache, Edits: t.edits}
		if count == len(t.tokens) {
			sequence.Want = model.LastLogits
		}
		turns = append(turns, turn{t, sequence})
	}
	return turns, waiting
}

// forward runs the batch. One whose caller leaves meanwhile does not stop the others; when
// all have left, the pass ends at the next layer.
func (s *scheduler) forward(turns []turn) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the forward pass failed: %v\n%s", fault, debug.Stack())
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var present atomic.Int64
	present.Store(int64(len(turns)))
	batch := make([]*model.Sequence, len(turns))
	for i, t := range turns {
		batch[i] = t.sequence
		s.rows.Add(int64(len(t.sequence.Tokens)))
		stay := context.AfterFunc(t.ctx, func() {
			if present.Add(-1) == 0 {
				cancel()
			}
		})
		defer stay()
	}
	s.steps.Add(1)
	return s.model.Forward(ctx, batch)
}

// advance takes the result of a step for one sequence.
func (s *scheduler) advance(t turn, err error, buffer []float32) {
	if left := t.ctx.Err(); left != nil {
		err = left
	}
	logits := t.sequence.Logits
	if err == nil && t.sequence.Want == model.NoLogits {
		t.tokens = t.tokens[len(t.sequence.Tokens):]
		return
	}
	if err == nil {
		s.device.Download(buffer, logits)
	}
	if !logits.IsZero() && !logits.Same(t.behind) {
		s.device.Release(logits)
	}
	if err != nil {
		s.end(t.task, err)
		return
	}
	s.goOn(t.task, buffer)
}

// goOn lets a sequence take its next token.
func (s *scheduler) goOn(t *task, logits []float32) {
	next, more, err := t.choose(logits)
	if err != nil || !more {
		s.end(t, err)
		return
	}
	t.tokens = []int{next}
}

// end gives back what a sequence holds and tells its owner.
func (s *scheduler) end(t *task, err error) {
	t.cache.Release()
	s.device.Release(t.behind)
	t.ended = true
	s.active.Add(-1)
	t.finish(err)
}

// prepareGeneration gives a loaded model its scheduler and chat template and finds out which
// tokens end a text: the tokenizer's EOS and those of the model's configuration.
func (e *Engine) prepareGeneration(w *world) {
	w.chat, w.convention = chat.New(w.tokenizer, e.config.Clock), chat.ConventionOf(w.tokenizer)
	w.stops = map[int]bool{}
	for _, id := range w.info.StopIDs {
		w.stops[id] = true
	}
	if id, _, ok := w.tokenizer.EOS(); ok {
		w.stops[id] = true
	}
	bytes := e.config.CacheBytes
	if bytes <= 0 {
		bytes = max(AvailableMemory()/4, leastCacheBytes)
	}
	w.scheduler = newScheduler(w.model, w.device, bytes)
	w.logits = newMemory(logitReaders * lens.LogitBytes)
}
