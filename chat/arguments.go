package chat

import (
	"errors"
	"fmt"

	"npinf/internal/jinja"
)

// Arguments are named values for a template, in order.
type Arguments struct{ list []argument }

type argument struct {
	name  string
	value jinja.Value
}

// ParseArguments reads the arguments from a JSON object.
func ParseArguments(object []byte) (Arguments, error) {
	value, err := jinja.ParseJSON(object)
	if err != nil {
		return Arguments{}, fmt.Errorf("chat template arguments: %w", err)
	}
	dict, ok := value.(*jinja.Dict)
	if !ok {
		return Arguments{}, errors.New("chat template arguments: not a JSON object")
	}
	var a Arguments
	for _, key := range dict.Keys() {
		value, _ := dict.Get(key.(string)) // JSON has no other keys
		a.list = append(a.list, argument{key.(string), value})
	}
	return a, nil
}

// WithText returns the arguments and one more, a string.
func (a Arguments) WithText(name, value string) Arguments { return a.with(name, value) }

// WithFlag returns the arguments and one more, a boolean.
func (a Arguments) WithFlag(name string, value bool) Arguments { return a.with(name, value) }

func (a Arguments) with(name string, value jinja.Value) Arguments {
	return Arguments{append(a.list[:len(a.list):len(a.list)], argument{name, value})}
}

// Thinking returns the arguments that tell a template how the model is to think, those of
// them that it accepts.
func (c *Template) Thinking(enable, preserve bool) Arguments {
	var a Arguments
	if c.Accepts("enable_thinking") {
		a = a.WithFlag("enable_thinking", enable)
	}
	if c.Accepts("preserve_thinking") {
		a = a.WithFlag("preserve_thinking", preserve)
	}
	if c.Accepts("reasoning_effort") {
		effort := "low"
		if enable {
			effort = "high"
		}
		a = a.WithText("reasoning_effort", effort)
	}
	return a
}

// reserved are the arguments that would not reach the template: they say what to do with it.
var reserved = map[string]bool{"tokenize": true, "add_generation_prompt": true, "messages": true, "conversation": true, "chat_template": true}

// resolved returns the options after the one argument that means an option:
// continue_final_message. Reserved names are an error.
func (o Options) resolved() (Options, error) {
	var rest []argument
	for _, a := range o.Arguments.list {
		if reserved[a.name] {
			return o, fmt.Errorf("got multiple values for keyword argument '%s': chat_template_kwargs must not name it", a.name)
		}
		if a.name == "continue_final_message" {
			o.ContinueFinalMessage = jinja.Truth(a.value)
			continue
		}
		rest = append(rest, a)
	}
	o.Arguments.list = rest
	return o, nil
}
