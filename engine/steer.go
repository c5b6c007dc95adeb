package engine

import (
	"context"
	"slices"

	"npinf/model"
)

// SteerCompletion continues a text, steered and unsteered side by side. emit, which may be
// nil, is called with every state of the answer; an error of it ends the generation. The
// last state is returned.
func (e *Engine) SteerCompletion(ctx context.Context, r SteerRequest, emit func(SteerFrame) error) (SteerFrame, error) {
	return serveIn(ctx, e, e.generations, func(w *world) (SteerFrame, error) {
		show := func(courses []course, last bool) error { return nil }
		if emit != nil {
			show = func(courses []course, last bool) error { return emit(steerFrame(courses, last)) }
		}
		courses, err := e.completion(ctx, w, r, show)
		return steerFrame(courses, true), err
	})
}

func (e *Engine) completion(ctx context.Context, w *world, r SteerRequest, show func([]course, bool) error) ([]course, error) {
	if err := oneKind(r.Steering); err != nil {
		return nil, err
	}
	prompts, err := w.prompts([]string{r.Prompt}, w.textLimit())
	if err != nil {
		return nil, err
	}
	if err := notEmpty(prompts); err != nil {
		return nil, err
	}
	courses, _, release, err := e.generate(ctx, w, r.Steering, prompts[0].ids, nil, show)
	if err != nil {
		return nil, err
	}
	release()
	return courses, nil
}

// oneKind refuses requests that steer along features and vectors, or along neither.
func oneKind(s Steering) error {
	if (s.Features == nil) == (s.Vectors == nil) {
		return invalid("Invalid request data: exactly one of features or vectors must be provided")
	}
	return nil
}

// generate continues a prompt once for every type asked for. The positions marked in spared
// are not steered. The operations it steered with may be used until release is called.
func (e *Engine) generate(ctx context.Context, w *world, s Steering, prompt []int, spared []bool,
	show func([]course, bool) error) (courses []course, operations []operation, release func(), err error) {
	directions, err := w.directions(ctx, s)
	if err != nil {
		return nil, nil, nil, err
	}
	count, err := e.room(w, len(prompt), s.Tokens)
	if err != nil {
		return nil, nil, nil, err
	}
	if operations, release, err = w.operations(s, directions); err != nil {
		return nil, nil, nil, err
	}
	kinds := slices.Clone(s.Types)
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	bytes := int64(len(kinds)) * (w.model.CacheSize().Bytes(len(prompt)+count, prefillRows) + 4*int64(w.info.Vocabulary))
	giveBack, err := w.scheduler.memory.claim(ctx, bytes, e.config.RequestTimeout)
	if err == nil {
		defer giveBack()
		steered := steeredBy{edits(operations, spared), fingerprint(s, directions, spared != nil)}
		courses, err = w.generateAll(ctx, s, kinds, prompt, count, steered, show)
	}
	if err != nil {
		release()
		return nil, nil, nil, err
	}
	return courses, operations, release, nil
}

// steeredBy is what the steered generation of a request does; the fingerprint tells it from
// what others do.
type steeredBy struct {
	edits       []model.Edit
	fingerprint string
}

// generateAll runs one generation of each kind in the scheduler, side by side.
func (w *world) generateAll(ctx context.Context, s Steering, kinds []SteerType, prompt []int, count int, steered steeredBy,
	show func([]course, bool) error) ([]course, error) {
	ctx, cancel := context.WithCancel(ctx)
	generations := map[SteerType]*generation{}
	var tasks []*task
	for _, kind := range kinds {
		g := w.newGeneration(s, prompt, count)
		generations[kind] = g
		if kind == Steered {
			tasks = append(tasks, g.task(ctx, prompt, steered.edits, steered.fingerprint))
		} else {
			tasks = append(tasks, g.task(ctx, prompt, nil, ""))
		}
	}
	defer func() { // nothing of this request may be in the scheduler's hands afterwards
		cancel()
		for _, g := range generations {
			for range g.events {
			}
		}
	}()
	w.scheduler.start(tasks...)
	return follow(s.Types, generations, show)
}

// room is how many tokens may be generated behind a prompt.
func (e *Engine) room(w *world, prompt, wanted int) (int, error) {
	budget := e.config.MaxTokens
	if positions := w.info.MaxPositions; positions > 0 {
		budget = min(budget, positions)
	}
	if prompt >= budget {
		return 0, invalid("No room to generate: the prompt is %d tokens and the per-request budget (prompt + completion) is %d. "+
			"Shorten the prompt or start a new conversation.", prompt, budget)
	}
	return min(wanted, budget-prompt), nil
}

func steerFrame(courses []course, last bool) SteerFrame {
	frame := SteerFrame{Outputs: make([]SteerOutput, len(courses))}
	for i, c := range courses {
		frame.Outputs[i] = SteerOutput{Type: c.kind, Text: c.text}
		if last {
			frame.Outputs[i].Logprobs = c.logprobs
		}
	}
	return frame
}
