package engine

import (
	"context"
	"slices"

	"npinf/internal/pyrepr"
	"npinf/lens"
)

// checkLens refuses what needs no tokens to be refused.
func (w *world) checkLens(r LensRequest) error {
	if len(r.InputIDs) == 0 && (r.Prompt == nil) == (r.Chat == nil) {
		return invalid("Provide exactly one of 'prompt' or 'chat'")
	}
	if r.Chat != nil && w.tokenizer.ChatTemplate() == "" {
		return invalid("This model has no chat template, so it cannot accept `chat` input. Send `prompt` (raw text) instead.")
	}
	switch {
	case len(r.Types) == 0:
		return invalid("Provide at least one lens type in 'type'")
	case !(r.Temperature >= 0):
		return invalid("temperature must be >= 0")
	case r.Completion < 0:
		return invalid("num_completion_tokens must be >= 0")
	case r.MaxLength < 0:
		return invalid("max_seq_len must be >= 0")
	case r.Top < 0 || r.Top > w.info.Vocabulary:
		return invalid("top_n %d is out of range; this model has %d tokens", r.Top, w.info.Vocabulary)
	}
	return nil
}

// lensFor gives the Jacobian lens, waiting for it where a request needs it.
func (w *world) lensFor(ctx context.Context, r LensRequest) (*lens.Jacobian, error) {
	reads := slices.Contains(r.Types, JacobianLens)
	steers := slices.ContainsFunc(r.SteerTokens, func(t LensToken) bool { return t.Type == JacobianLens })
	if !reads && !steers && (r.SwapToken == nil || r.SwapToken.Type != JacobianLens) {
		return w.jacobian.now(), nil
	}
	loaded, why, err := w.jacobian.wait(ctx)
	if err == nil && loaded == nil && reads {
		err = &Error{Code: Invalid, Message: why.Error(), Cause: why}
	}
	if loaded != nil {
		recordOf(ctx).use(w.jacobian.origin.Origin)
	}
	return loaded, err
}

// lensTokens makes the tokens of a request, and their places in the conversation where there
// is one.
func (e *Engine) lensTokens(ctx context.Context, w *world, r LensRequest) (ids []int, spans []Span, err error) {
	switch {
	case len(r.InputIDs) > 0:
		ids = slices.Clone(r.InputIDs)
	case r.Chat != nil:
		ids, spans, err = w.conversation(ctx, r, e.lensLimit(w))
	default:
		ids, err = w.lensText(*r.Prompt, r.PrependBOS, e.lensLimit(w))
	}
	if err != nil {
		return nil, nil, err
	}
	if len(ids) == 0 {
		return nil, nil, invalid("Prompt produced zero tokens")
	}
	if most := e.lensLimit(w); len(ids) > most {
		return nil, nil, errTooLong(len(ids), most)
	}
	for _, id := range ids {
		if id < 0 || id >= w.info.Vocabulary {
			return nil, nil, invalid("Token id %d is out of range; this model has %d tokens", id, w.info.Vocabulary)
		}
	}
	if r.MaxLength > 0 && r.MaxLength < len(ids) {
		ids, spans = ids[:r.MaxLength], nil // of a part nobody knows where messages end
	}
	return ids, spans, nil
}

func errTooLong(tokens, most int) error {
	return invalid("This conversation is too long (%d tokens). The maximum is %d tokens — please shorten your input or start a new conversation.", tokens, most)
}

// lensText tokenises a text, unless it is so long that it has too many tokens for sure.
func (w *world) lensText(text string, withBOS bool, most int) ([]int, error) {
	if len(text) > max(freeTextBytes, most*bytesPerToken) {
		return nil, invalid("This conversation is too long (%d bytes are more tokens than the limit). The maximum is %d tokens — "+
			"please shorten your input or start a new conversation.", len(text), most)
	}
	return w.tokenizer.Prompt(text, withBOS), nil
}

// positions is how many tokens prompt and completion may have together.
func (e *Engine) positions(w *world) int {
	if w.info.MaxPositions > 0 {
		return min(e.config.MaxTokens, w.info.MaxPositions)
	}
	return e.config.MaxTokens
}

func (e *Engine) lensLimit(w *world) int { return min(e.config.LensTokenLimit, e.positions(w)) }

// vocabulary is the text of every token, made when the first request needs it.
func (w *world) vocabulary() *lens.Vocabulary {
	w.vocabularyOnce.Do(func() { w.texts = lens.NewVocabulary(w.info.Vocabulary, w.tokenizer.TokenString) })
	return w.texts
}

// intervene turns the steering of a request into edits.
func (j *lensJob) intervene() error {
	r := j.request
	change := lens.Intervention{Strength: r.SteerStrength, Layers: unique(r.SteerLayers)}
	switch {
	case len(r.SteerTokens) == 0:
		return nil
	case r.SwapToken != nil:
		change.Operation = lens.Swap
		other, err := j.direction(*r.SwapToken)
		if err != nil {
			return err
		}
		change.Other = other
	case r.SteerAblate:
		change.Operation = lens.Ablate
	case r.SteerStrength == 0:
		return nil
	}
	for _, token := range r.SteerTokens {
		direction, err := j.direction(token)
		if err != nil {
			return err
		}
		change.Tokens = append(change.Tokens, direction)
	}
	for _, layer := range change.Layers {
		if layer < 0 || layer >= j.world.info.Layers {
			return invalid("Steer layer %d is out of range; this model has %d layers (0-%d)", layer, j.world.info.Layers, j.world.info.Layers-1)
		}
	}
	if len(change.Layers) == 0 {
		for _, read := range j.reads {
			change.Layers = append(change.Layers, read.Index)
		}
		change.Layers = unique(change.Layers)
	}
	edits, release := j.reader.Edits(change, j.point, j.spared)
	j.edits, j.closers = edits, append(j.closers, release)
	return nil
}

// direction finds the token that is to be steered by.
func (j *lensJob) direction(token LensToken) (lens.Direction, error) {
	id, found := j.texts.Find(token.Text)
	if !found {
		return lens.Direction{}, invalid("Could not resolve steer token to a vocab id: %s", pyrepr.Quote(token.Text))
	}
	return lens.Direction{ID: id, Carried: token.Type == JacobianLens}, nil
}

// spared are the positions that steering leaves alone: a BOS, and what is generated unless
// the request says otherwise.
func (j *lensJob) spared(position int) bool {
	if position >= j.meta.PromptLength && !j.request.SteerGenerated {
		return true
	}
	bos, _, has := j.world.tokenizer.BOS()
	return has && j.tokens[position] == bos
}

// unique drops repetitions, keeping the order.
func unique[T comparable](list []T) []T {
	var out []T
	for _, item := range list {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// upTo lists 0 … last.
func upTo(last int) []int {
	list := make([]int, last+1)
	for i := range list {
		list[i] = i
	}
	return list
}
