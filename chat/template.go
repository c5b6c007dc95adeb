// Package chat turns conversations into model input and model output back into turns: chat
// templates applied as transformers applies them, which tokens of a rendered conversation
// belong to which message, which part of a turn a generated token belongs to, and which
// turns a generated text holds.
package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"npinf/internal/jinja"
	"npinf/tokenizer"
)

// Errors of requests that no template can serve.
var (
	// ErrNoTemplate says that the tokenizer brings no chat template.
	ErrNoTemplate = errors.New("This model's tokenizer has no chat template, so it cannot render chat messages. Send raw text instead.")
	// ErrNoMessages says that a conversation is empty.
	ErrNoMessages = errors.New("Cannot apply chat template to an empty conversation. Provide at least one message.")
)

// Message is one turn of a conversation.
type Message struct {
	Role    string
	Content string
	Channel *string // of harmony conversations; nil keeps it from the template
}

// Options say how a conversation is rendered.
type Options struct {
	// AddGenerationPrompt ends the text with the head of the assistant's next turn.
	AddGenerationPrompt bool
	// ContinueFinalMessage leaves the last message open, for the model to go on with it. It
	// excludes AddGenerationPrompt.
	ContinueFinalMessage bool
	// Arguments are passed to the template as variables of its own.
	Arguments Arguments
}

// Template is the chat template of a tokenizer; a tokenizer without one gives a Template
// whose renders fail with ErrNoTemplate. It is safe for use by many goroutines.
type Template struct {
	tokenizer *tokenizer.Tokenizer
	source    string
	compiled  *jinja.Template // nil when the source is empty or invalid
	invalid   error           // what is wrong with the source
	clock     func() time.Time
}

// New compiles the chat template of a tokenizer. An invalid template is an error of the
// renders, not of New: the model serves raw text all the same. clock is the time templates
// may ask for; nil stands for the local time.
func New(t *tokenizer.Tokenizer, clock func() time.Time) *Template {
	c := &Template{tokenizer: t, source: t.ChatTemplate(), clock: clock}
	if c.Exists() {
		c.compiled, c.invalid = jinja.Compile(c.source)
	}
	return c
}

// Exists reports whether the tokenizer brings a chat template.
func (c *Template) Exists() bool { return c.source != "" }

// Accepts reports whether the template takes an argument of this name: whether the name
// occurs anywhere in its source, as the reference decides it.
func (c *Template) Accepts(argument string) bool { return strings.Contains(c.source, argument) }

// Render returns the text of a conversation. The text of any error is meant for the user; it
// wraps the context's error when ctx ended first.
func (c *Template) Render(ctx context.Context, messages []Message, options Options) (string, error) {
	options, err := options.resolved()
	switch {
	case err != nil:
		return "", err
	case !c.Exists():
		return "", ErrNoTemplate
	case c.invalid != nil:
		return "", c.invalid
	case len(messages) == 0:
		return "", ErrNoMessages
	case options.AddGenerationPrompt && options.ContinueFinalMessage:
		return "", errors.New("continue_final_message and add_generation_prompt exclude each other: the first continues the last message, the second begins a new one")
	case options.ContinueFinalMessage:
		return c.renderOpen(ctx, messages, options)
	}
	return c.render(ctx, messages, options)
}

func (c *Template) render(ctx context.Context, messages []Message, options Options) (string, error) {
	return c.compiled.Render(ctx, c.variables(messages, options), jinja.Environment{Clock: c.clock})
}

// variables are what transformers gives a template; the caller's arguments win over them.
func (c *Template) variables(messages []Message, options Options) *jinja.Dict {
	list := make(jinja.List, len(messages))
	for i, message := range messages {
		one := jinja.NewDict()
		one.Set("role", message.Role)
		one.Set("content", message.Content)
		if message.Channel != nil {
			one.Set("channel", *message.Channel)
		}
		list[i] = one
	}
	variables := jinja.NewDict()
	variables.Set("messages", list)
	variables.Set("tools", nil)
	variables.Set("documents", nil)
	variables.Set("add_generation_prompt", options.AddGenerationPrompt)
	for role, text := range c.tokenizer.SpecialTokens() {
		variables.Set(role, text)
	}
	for _, argument := range options.Arguments.list {
		variables.Set(argument.name, argument.value)
	}
	return variables
}

// continueMark is put behind the last message to find where it ends in the rendered text. A
// template that trims contents takes its blank away, and then those of the message, too.
const (
	continueMark  = "CONTINUE_FINAL_MESSAGE_TAG"
	continueBlank = " "
)

// renderOpen renders a conversation up to the end of its last message's content.
func (c *Template) renderOpen(ctx context.Context, messages []Message, options Options) (string, error) {
	last := messages[len(messages)-1]
	content := last.Content
	last.Content += continueMark + continueBlank
	marked := append(messages[:len(messages)-1:len(messages)-1], last)
	text, err := c.render(ctx, marked, options)
	if err != nil {
		return "", err
	}
	at := strings.LastIndex(text, continueMark)
	if at < 0 || !strings.Contains(text, trim(content)) {
		return "", errors.New("continue_final_message is set, but the chat template does not write the final message as it is: close the conversation with a user message instead")
	}
	if strings.HasPrefix(text[at+len(continueMark):], continueBlank) {
		return text[:at], nil
	}
	return strings.TrimRightFunc(text[:at], jinja.IsSpace), nil
}

// trim is Python's str.strip.
func trim(s string) string { return strings.TrimFunc(s, jinja.IsSpace) }

// Encode returns the ids of a rendered conversation: the template writes its own special
// tokens, so none are added.
func (c *Template) Encode(text string) []int { return c.tokenizer.Encode(text, false) }

// ids renders and encodes.
func (c *Template) ids(ctx context.Context, messages []Message, options Options) ([]int, error) {
	text, err := c.Render(ctx, messages, options)
	if err != nil {
		return nil, err
	}
	return c.Encode(text), nil
}
