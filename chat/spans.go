package chat

import "context"

// Section is the part of a turn that a token belongs to.
type Section string

// The sections. A turn's header names its role, its footer closes it.
const (
	Header   Section = "header"
	Content  Section = "content"
	Footer   Section = "footer"
	Scaffold Section = "scaffold" // belongs to no turn
)

// Label says what a token is in its conversation.
type Label struct {
	Message *int    // index of the message, nil for a turn that is no message yet
	Role    *string // nil for scaffold
	Channel *string // nil for none
	Section Section
}

// assistant is the role of every turn that the model writes.
const assistant = "assistant"

// Spans labels the tokens of a conversation rendered with these options; full are its ids
// (Encode of Render). Which token is whose is found by rendering the conversation message by
// message, so the work grows with the square of its length: check limits before.
func (c *Template) Spans(ctx context.Context, messages []Message, options Options, full []int) ([]Label, error) {
	options, err := options.resolved()
	if err != nil {
		return nil, err
	}
	closed := Options{Arguments: options.Arguments}
	labels := make([]Label, 0, len(full))
	for k, message := range messages {
		start, end := len(labels), len(full)
		open := options.ContinueFinalMessage && k == len(messages)-1
		if !open {
			ids, err := c.ids(ctx, messages[:k+1], closed)
			if err != nil {
				return nil, err
			}
			end = max(start, CommonPrefix(ids, full))
		}
		block := full[start:end]
		header, footer := c.frame(ctx, messages[:k+1], closed, block, start)
		if open {
			footer = 0
		}
		for i := range block {
			labels = append(labels, Label{&k, &message.Role, message.Channel, section(i, len(block), header, footer)})
		}
	}
	role := assistant
	for len(labels) < len(full) {
		labels = append(labels, Label{Role: &role, Section: Header})
	}
	return labels, nil
}

// frame returns how many tokens at the beginning and at the end of the last message's block,
// which starts at start, do not depend on its content. A template that cannot render the
// message empty gives none.
func (c *Template) frame(ctx context.Context, messages []Message, closed Options, block []int, start int) (header, footer int) {
	if len(block) == 0 {
		return 0, 0
	}
	last := messages[len(messages)-1]
	last.Content = ""
	ids, err := c.ids(ctx, append(messages[:len(messages)-1:len(messages)-1], last), closed)
	if err != nil || len(ids) <= start {
		return 0, 0
	}
	empty := ids[start:]
	header = CommonPrefix(empty, block)
	footer = min(commonSuffix(empty, block), len(block)-header, max(0, len(empty)-header))
	return header, footer
}

// section tells where the i-th of n tokens of a block is.
func section(i, n, header, footer int) Section {
	switch {
	case i < header:
		return Header
	case i >= n-footer:
		return Footer
	}
	return Content
}

// CommonPrefix is how many tokens two lists of ids begin with alike.
func CommonPrefix(a, b []int) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b []int) int {
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// Partition renders a conversation closed and returns its ids with the end of each message's
// stretch among them: message k owns [ends[k-1], ends[k]), the first one from 0. An end is
// the length of the conversation rendered up to its message.
func (c *Template) Partition(ctx context.Context, messages []Message, arguments Arguments) (ids []int, ends []int, err error) {
	end := 0
	for k := range messages {
		if ids, err = c.ids(ctx, messages[:k+1], Options{Arguments: arguments}); err != nil {
			return nil, nil, err
		}
		end = max(end, len(ids))
		ends = append(ends, end)
	}
	for k := range ends {
		ends[k] = min(ends[k], len(ids))
	}
	return ids, ends, nil
}
