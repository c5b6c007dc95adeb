package engine

import (
	"context"
	"errors"

	"npinf/chat"
)

// conversation renders the messages of a request. A last message of the assistant is left
// open, for the model to go on with it.
func (w *world) conversation(ctx context.Context, r LensRequest, most int) ([]int, []Span, error) {
	options := w.lensOptions(r)
	messages := make([]chat.Message, len(r.Chat))
	for i, m := range r.Chat {
		messages[i] = chat.Message{Role: m.Role, Content: m.Content}
	}
	text, err := w.chat.Render(ctx, messages, options)
	if err != nil {
		return nil, nil, templateError(ctx, err)
	}
	ids := w.chat.Encode(text)
	if len(ids) > most { // before the spans, whose work grows with the square
		return ids, nil, nil
	}
	labels, err := w.chat.Spans(ctx, messages, options, ids)
	if err != nil {
		return ids, nil, ctx.Err() // a conversation without places is still a conversation
	}
	spans := make([]Span, len(labels))
	for i, label := range labels {
		spans[i] = spanOf(label)
	}
	return ids, spans, nil
}

// templateError gives what a template has to say to the user, unless the request has ended.
func templateError(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Error{Code: Invalid, Message: err.Error(), Cause: err}
}

func (w *world) lensOptions(r LensRequest) chat.Options {
	options := chat.Options{ContinueFinalMessage: prefills(r.Chat)}
	options.AddGenerationPrompt = !options.ContinueFinalMessage
	if w.chat.Accepts("enable_thinking") {
		options.Arguments = options.Arguments.WithFlag("enable_thinking", r.Thinking)
	}
	if w.chat.Accepts("preserve_thinking") {
		options.Arguments = options.Arguments.WithFlag("preserve_thinking", r.Preserve)
	}
	if w.chat.Accepts("reasoning_effort") {
		effort := "low"
		if r.Thinking {
			effort = "high"
		}
		options.Arguments = options.Arguments.WithText("reasoning_effort", effort)
	}
	return options
}

// prefills reports whether a conversation ends in the middle of an answer.
func prefills(messages []Message) bool {
	return len(messages) > 0 && messages[len(messages)-1].Role == "assistant"
}

func spanOf(label chat.Label) Span {
	section := string(label.Section)
	return Span{Message: label.Message, Role: label.Role, Channel: label.Channel, Section: &section}
}

// turnBehind follows the turn that is generated behind a prompt.
func (w *world) turnBehind(prompt []int, messages []Message) *chat.Tracker {
	var message *int
	if prefills(messages) {
		last := len(messages) - 1
		message = &last
	}
	return w.convention.Track(w.tokenStrings(prompt), message)
}
