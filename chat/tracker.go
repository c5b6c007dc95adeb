package chat

import "slices"

// Tracker labels the tokens of a turn while the model writes it.
type Tracker struct {
	convention Convention
	message    *int

	inside bool    // reasoning: between the tags
	closed bool    // reasoning: behind the closing tag
	header bool    // harmony: in the head of a block
	naming bool    // harmony: in the name of a channel
	name   *string // harmony: the channel
}

// Track starts a tracker behind a prompt, given as the texts of its tokens. message is the
// index of the message that the model continues, nil if it begins a turn of its own.
func (c Convention) Track(promptTokens []string, message *int) *Tracker {
	t := &Tracker{convention: c, message: message, header: true}
	for _, token := range slices.Backward(promptTokens) {
		if text := trim(token); text == thinkOpen || text == thinkClose {
			t.inside = text == thinkOpen
			break
		}
	}
	return t
}

// Next labels the next generated token, given as its text.
func (t *Tracker) Next(token string) Label {
	role := assistant
	label := Label{Message: t.message, Role: &role}
	switch text := trim(token); {
	case t.convention.harmony:
		label.Channel, label.Section = t.nextHarmony(text)
	case t.convention.reasoning:
		label.Channel, label.Section = t.nextReasoning(text)
	default:
		label.Section = plainSection(text)
	}
	return label
}

func plainSection(text string) Section {
	if slices.Contains(turnEnds, text) {
		return Footer
	}
	return Content
}

func (t *Tracker) nextReasoning(text string) (*string, Section) {
	thoughts, answer := analysis, final
	switch text {
	case thinkOpen:
		t.inside = true
		return &thoughts, Header
	case thinkClose:
		t.inside, t.closed = false, true
		return &thoughts, Footer
	}
	switch {
	case t.inside:
		return &thoughts, plainSection(text)
	case t.closed:
		return &answer, plainSection(text)
	}
	return nil, plainSection(text)
}

func (t *Tracker) nextHarmony(text string) (*string, Section) {
	switch {
	case text == harmonyStart:
		t.header, t.naming, t.name = true, false, nil
	case text == harmonyChannel:
		t.header, t.naming, t.name = true, true, nil
	case text == harmonyMessage:
		t.header, t.naming = false, false
		return t.name, Header
	case slices.Contains(harmonyEnds, text):
		t.header, t.naming = true, false
		return t.name, Footer
	case t.naming:
		name := text
		if t.name != nil {
			name = *t.name + text
		}
		t.name = &name
	}
	if t.header {
		return t.name, Header
	}
	return t.name, Content
}
