package jinja

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// What one render may use. A render of a published template over a long conversation takes a
// few thousand steps; a render that uses all of it ends within a tenth of a second.
const (
	maxSteps   = 500_000 // evaluated nodes, plus one for every stepBytes of text or stepItems values handled
	stepBytes  = 32      // so all texts together may reach 16 MB
	stepItems  = 4       // values of a list or dictionary
	maxText    = 8 << 20 // bytes of one text, the output included
	maxDepth   = 1000    // nested evaluations: macro calls, and values within values
	checkEvery = 1024    // steps between looks at the context
)

// machine is one render: its budget, its output and what it knows of the outside.
type machine struct {
	ctx    context.Context
	clock  func() time.Time
	output *strings.Builder
	steps  int
	depth  int
	// The tables, here because their functions look each other up by name.
	filters map[string]filterFunction
	tests   map[string]testFunction
	methods map[string]map[string]method
}

func newMachine(ctx context.Context, environment Environment) *machine {
	m := &machine{ctx: ctx, clock: environment.Clock, steps: maxSteps, filters: filters, tests: tests, methods: methods}
	if m.clock == nil {
		m.clock = time.Now
	}
	m.checkContext()
	return m
}

func (m *machine) checkContext() {
	if err := m.ctx.Err(); err != nil {
		panic(thrown{fmt.Errorf("chat template: %w", err)})
	}
}

// spend takes steps off the budget.
func (m *machine) spend(steps int) {
	if steps > m.steps {
		fail("the template needs more than %d steps of work: it loops too long or builds too much text", maxSteps)
	}
	if (m.steps-steps)/checkEvery != m.steps/checkEvery {
		m.checkContext()
	}
	m.steps -= steps
}

// spendText pays for handling a text of so many bytes.
func (m *machine) spendText(bytes int) {
	if bytes > maxText {
		fail("the template builds a text of %d bytes, more than the limit of %d", bytes, maxText)
	}
	m.spend(bytes / stepBytes)
}

// spendItems pays for handling so many values.
func (m *machine) spendItems(count int) { m.spend(count / stepItems) }

// enter begins a nested evaluation or a walk into a value. There is no need to leave after a
// failure: it ends the render.
func (m *machine) enter() {
	m.spend(1)
	if m.depth++; m.depth > maxDepth {
		fail("maximum recursion depth exceeded: the template nests more than %d deep", maxDepth)
	}
}

func (m *machine) leave() { m.depth-- }

// made pays for a text and returns it.
func (m *machine) made(text string) string {
	m.spendText(len(text))
	return text
}

// write appends to the output.
func (m *machine) write(text string) {
	if m.output.Len()+len(text) > maxText {
		fail("the template writes more than %d bytes", maxText)
	}
	m.spendText(len(text))
	m.output.WriteString(text)
}

// capture returns what a function writes.
func (m *machine) capture(do func()) string {
	outer := m.output
	m.output = &strings.Builder{}
	do()
	text := m.output.String()
	m.output = outer
	return text
}
