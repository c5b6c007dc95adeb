package engine

import (
	"context"
	"errors"

	"npinf/chat"
)

// ApplyChatTemplate renders a conversation and tells which token is whose.
func (e *Engine) ApplyChatTemplate(ctx context.Context, r TemplateRequest) (Rendered, error) {
	return serve(ctx, e, func(w *world) (Rendered, error) { return w.applyChatTemplate(ctx, r) })
}

func (w *world) applyChatTemplate(ctx context.Context, r TemplateRequest) (Rendered, error) {
	options := chat.Options{AddGenerationPrompt: r.Generation}
	var err error
	if r.Arguments != nil {
		if options.Arguments, err = chat.ParseArguments(r.Arguments); err != nil {
			return Rendered{}, errTemplate(err)
		}
	}
	text, err := w.chat.Render(ctx, r.Messages, options)
	if err != nil {
		return Rendered{}, errTemplate(err)
	}
	if err := w.textLimit().checkBytes(text); err != nil {
		return Rendered{}, err
	}
	ids := w.chat.Encode(text)
	if len(ids) > w.tokenLimit {
		return Rendered{}, invalid("Rendered chat too long: %d tokens, max is %d", len(ids), w.tokenLimit)
	}
	labels, err := w.chat.Spans(ctx, r.Messages, options, ids)
	if err != nil {
		return Rendered{}, errTemplate(err)
	}
	return Rendered{Prompt: text, IDs: ids, Strings: w.tokenStrings(ids), Labels: labels}, nil
}

// errTemplate says that a conversation cannot be rendered, which is the client's mistake
// unless he has gone.
func errTemplate(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return invalid("Failed to apply chat template: %v", err)
}

// textLimit is the limit for a prompt that is no part of a batch.
func (w *world) textLimit() limit { return limit{float64(w.tokenLimit), false} }

// SteerChat answers a conversation, steered and unsteered side by side; emit as in
// SteerCompletion.
func (e *Engine) SteerChat(ctx context.Context, r SteerChatRequest, emit func(ChatFrame) error) (ChatFrame, error) {
	return serveIn(ctx, e, e.generations, func(w *world) (ChatFrame, error) {
		talk, err := w.newTalk(ctx, r)
		if err != nil {
			return ChatFrame{}, err
		}
		if emit == nil {
			emit = func(ChatFrame) error { return nil }
		}
		show := func(courses []course, last bool) error { return emit(talk.frame(courses, last && !r.AssistantAxis)) }
		courses, operations, release, err := e.generate(ctx, w, r.Steering, talk.ids, talk.spared, show)
		if err != nil {
			return ChatFrame{}, err
		}
		defer release()
		frame := talk.frame(courses, true)
		if !r.AssistantAxis {
			return frame, nil
		}
		if frame.Axis, err = w.axis(ctx, talk, courses, operations); err != nil {
			return ChatFrame{}, err
		}
		return frame, emit(frame)
	})
}

// talk is a conversation on its way through a model.
type talk struct {
	convention chat.Convention
	rendered   []Message // what the model is given of it
	echoed     []Message // what the answer repeats of it
	ids        []int
	text       string // of the ids
	spared     []bool // tokens that are not steered, nil for none
}

// newTalk checks and renders the conversation of a request.
func (w *world) newTalk(ctx context.Context, r SteerChatRequest) (*talk, error) {
	if err := oneKind(r.Steering); err != nil {
		return nil, err
	}
	if !w.chat.Exists() {
		return nil, invalid("This model has no chat template, so it cannot accept chat messages. Use /v1/steer/completion with a raw `prompt` instead.")
	}
	t := &talk{convention: w.convention, rendered: withoutReasoning(r.Messages), echoed: r.Messages}
	if r.AssistantAxis {
		if w.persona != nil && w.persona.blankSystem && len(t.rendered) > 0 && t.rendered[0].Role == "system" {
			t.rendered[0].Content = ""
		}
		t.echoed = t.rendered
	}
	text, err := w.chat.Render(ctx, t.rendered, chat.Options{AddGenerationPrompt: true})
	if err != nil {
		return nil, errTemplate(err)
	}
	if err := w.textLimit().checkBytes(text); err != nil {
		return nil, err
	}
	t.ids = w.chat.Encode(text)
	if err := w.textLimit().check(len(t.ids)); err != nil {
		return nil, err
	}
	if err := notEmpty([]prompt{{ids: t.ids}}); err != nil {
		return nil, err
	}
	if err := w.known(t.ids); err != nil {
		return nil, err
	}
	t.text = w.tokenizer.Decode(t.ids, false)
	if !r.SpecialTokens {
		t.spared = w.special(t.ids)
	}
	return t, nil
}

// withoutReasoning takes closed thoughts out of the assistant's messages, and those messages
// out of which nothing is left.
func withoutReasoning(messages []Message) []Message {
	var kept []Message
	for _, m := range messages {
		if m.Role == assistantRole {
			if m.Content = chat.StripReasoning(m.Content); m.Content == "" {
				continue
			}
		}
		kept = append(kept, m)
	}
	return kept
}

const assistantRole = "assistant"

// frame is the state of the answer.
func (t *talk) frame(courses []course, last bool) ChatFrame {
	frame := ChatFrame{Input: t.echoed, Prompt: t.text, Outputs: make([]ChatOutput, len(courses))}
	for i, c := range courses {
		turns := append(t.echoed[:len(t.echoed):len(t.echoed)], t.convention.Compose(c.text, t.text)...)
		frame.Outputs[i] = ChatOutput{Type: c.kind, Messages: turns, Raw: t.text + c.text}
		if last {
			frame.Outputs[i].Logprobs = c.logprobs
		}
	}
	return frame
}
