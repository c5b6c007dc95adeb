package chat

import (
	"regexp"
	"strings"

	"npinf/internal/jinja"
)

// Compose returns the turns that a generated text holds. prompt is the text it continues.
func (c Convention) Compose(output, prompt string) []Message {
	if c.harmony {
		return composeHarmony(output)
	}
	return c.composePlain(output, prompt)
}

// composeHarmony reads blocks of the form role<|channel|>channel<|message|>content. What the
// assistant thinks goes in front of its answer, in tags.
func composeHarmony(output string) []Message {
	var turns []Message
	thoughts := ""
	for i, block := range strings.Split(output, harmonyStart) {
		head, body, found := strings.Cut(block, harmonyMessage)
		if !found {
			continue
		}
		content := trim(cutAtEarliest(body, harmonyEnds))
		role, channel, _ := strings.Cut(head, harmonyChannel)
		role, channel = trim(role), trim(channel)
		if role == "" && i == 0 { // the prompt has named it
			role = assistant
		}
		switch {
		case role == "":
		case role == assistant && channel == analysis:
			thoughts = content
		case role == assistant && channel == final:
			if answer := wrapThoughts(thoughts) + content; answer != "" {
				turns = append(turns, Message{Role: assistant, Content: answer})
			}
			thoughts = ""
		case content != "":
			turns = append(turns, Message{Role: role, Content: content})
		}
	}
	if thoughts != "" {
		turns = append(turns, Message{Role: assistant, Content: wrapThoughts(thoughts)})
	}
	return turns
}

func wrapThoughts(thoughts string) string {
	if thoughts == "" {
		return ""
	}
	return thinkOpen + thoughts + thinkClose
}

// composePlain takes the text up to the end of the turn. A thought that the prompt has
// opened gets its opening tag back.
func (c Convention) composePlain(output, prompt string) []Message {
	content := cutAtEarliest(output, turnEnds)
	insideThought := strings.LastIndex(prompt, thinkOpen) > strings.LastIndex(prompt, thinkClose)
	if c.reasoning && insideThought && !strings.HasPrefix(strings.TrimLeftFunc(content, jinja.IsSpace), thinkOpen) {
		content = thinkOpen + content
	}
	if content = trim(content); content == "" {
		return nil
	}
	return []Message{{Role: assistant, Content: content}}
}

var closedThought = regexp.MustCompile(`(?s)` + thinkOpen + `.*?` + thinkClose)

// StripReasoning removes the closed thoughts from a message's content; an open one stays.
func StripReasoning(content string) string {
	return trim(closedThought.ReplaceAllString(content, ""))
}
