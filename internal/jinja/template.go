// Package jinja renders Jinja2 templates as Python does, in the subset that the chat
// templates of language models use: Python's values and their str() and repr(), ordered
// dictionaries, whitespace control, macros, namespaces and the filters, tests and methods
// met in published templates. The environment is the one transformers renders chat templates
// in: immutable sandbox, trim_blocks, lstrip_blocks, loop controls, the generation tag,
// tojson without HTML escapes, raise_exception and strftime_now.
//
// A template comes from a model repository, so it is not trusted: work, output, recursion and
// size are bounded, and a context cancels a render.
package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxSource is the largest template source in bytes; published ones stay below 50 kB.
const maxSource = 256 << 10

// Template is a compiled template. It does not change and is safe for use by many goroutines.
type Template struct {
	body []statement
}

// Environment holds what a render takes from outside besides its variables.
type Environment struct {
	Clock func() time.Time // for strftime_now; nil for the local time
}

// Compile parses a template. The error is a *SyntaxError.
func Compile(source string) (compiled *Template, err error) {
	if len(source) > maxSource {
		return nil, &SyntaxError{Message: fmt.Sprintf("template of %d bytes is larger than the limit of %d", len(source), maxSource)}
	}
	defer catch(&err)
	p := newParser(strings.ToValidUTF8(source, "\uFFFD"))
	return &Template{body: p.template()}, nil
}

// Render renders the template with variables. The error is a *RaisedError when the template
// called raise_exception, a *RenderError when it failed in another way or went beyond its
// budget, or wraps the context's error when ctx ended first.
func (t *Template) Render(ctx context.Context, variables *Dict, environment Environment) (text string, err error) {
	defer catch(&err)
	m := newMachine(ctx, environment)
	root := &scope{}
	for i, key := range variables.Keys() {
		if name, ok := key.(string); ok {
			root.set(name, variables.values[i])
		}
	}
	output := &strings.Builder{}
	m.output = output
	m.run(t.body, &scope{parent: root})
	return output.String(), nil
}

// thrown carries an error up from the depth of an evaluation. Expressions nest deeply and
// every step may fail, so errors travel as panics inside the package and never leave it.
type thrown struct{ err error }

// catch turns a thrown error into a returned one; any other panic is a defect and goes on.
func catch(err *error) {
	switch reason := recover().(type) {
	case nil:
	case thrown:
		*err = reason.err
	default:
		panic(reason)
	}
}

// SyntaxError says that a template cannot be compiled.
type SyntaxError struct {
	Message string
	Line    int // from 1; 0 where no line is to blame
}

// Error returns the message with the line.
func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s (line %d of the template)", e.Message, e.Line)
}

// RaisedError is the message a template passes to its user by raise_exception.
type RaisedError struct{ Message string }

// Error returns the template's own words.
func (e *RaisedError) Error() string { return e.Message }

// RenderError says why a render failed, in Python's words where Python fails too.
type RenderError struct{ Message string }

// Error returns the message.
func (e *RenderError) Error() string { return e.Message }

// IsTemplateError reports whether err blames the template or the values it was given: it is
// one of this package's errors, not an ended context.
func IsTemplateError(err error) bool {
	var syntax *SyntaxError
	var raised *RaisedError
	var render *RenderError
	return errors.As(err, &syntax) || errors.As(err, &raised) || errors.As(err, &render)
}

// fail ends the render with a RenderError.
func fail(format string, arguments ...any) {
	panic(thrown{&RenderError{fmt.Sprintf(format, arguments...)}})
}
