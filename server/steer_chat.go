package server

import (
	"npinf/engine"
	"npinf/internal/pyjson"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

func (s *Server) applyChatTemplate(c echo.Context, r schema.Values) error {
	q := engine.TemplateRequest{Messages: messagesOf(r.Objects("messages")), Generation: r.Boolean("addGenerationPrompt")}
	if arguments := r.Dictionary("chatTemplateKwargs"); arguments.Kind() == pyjson.Object {
		q.Arguments = pyjson.Append(nil, arguments)
	}
	rendered, err := s.service.ApplyChatTemplate(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.rendered(rendered) })
}

func messagesOf(list []schema.Values) []engine.Message {
	messages := make([]engine.Message, len(list))
	for i, m := range list {
		messages[i] = engine.Message{Role: m.Text("role"), Content: m.Text("content"), Channel: m.OptionalText("channel")}
	}
	return messages
}

func (e *encoder) rendered(r engine.Rendered) {
	e.begin('{')
	e.key("prompt").text(r.Prompt)
	e.key("tokens").integers(r.IDs)
	e.key("spans").begin('[')
	for i, label := range r.Labels {
		e.begin('{')
		e.key("position").integer(i)
		e.key("tokenId").integer(r.IDs[i])
		e.key("tokenStr").text(r.Strings[i])
		e.key("messageIndex").optionalInteger(label.Message)
		e.key("role").optional(label.Role)
		e.key("channel").optional(label.Channel)
		e.key("section").text(string(label.Section))
		e.end('}')
	}
	e.end(']')
	e.end('}')
}

func (e *encoder) optionalInteger(n *int) {
	if n == nil {
		e.null()
		return
	}
	e.integer(*n)
}

func (s *Server) steerChat(c echo.Context, r schema.Values) error {
	q := engine.SteerChatRequest{
		Messages:      messagesOf(r.Objects("prompt")),
		Steering:      steeringOf(r),
		SpecialTokens: r.Boolean("steerSpecialTokens"),
		AssistantAxis: r.Boolean("isAssistantAxis"),
	}
	return answerFrames(s, c, r.Boolean("stream"), (*encoder).chatFrame, func(emit func(engine.ChatFrame) error) (engine.ChatFrame, error) {
		return s.service.SteerChat(c.Request().Context(), q, emit)
	})
}

func (e *encoder) chatFrame(f engine.ChatFrame) {
	e.begin('{')
	if f.Axis != nil {
		array(e.key("assistantAxis"), f.Axis, e.axis)
	}
	array(e.key("outputs"), f.Outputs, func(o engine.ChatOutput) {
		e.begin('{')
		array(e.key("chatTemplate"), o.Messages, e.message)
		e.key("raw").text(o.Raw)
		e.key("type").text(string(o.Type))
		e.logprobs(o.Logprobs)
		e.end('}')
	})
	e.key("input").begin('{')
	array(e.key("chatTemplate"), f.Input, e.message)
	e.key("raw").text(f.Prompt)
	e.end('}')
	e.end('}')
}

// textKey writes a key that is data and may be any text.
func (e *encoder) textKey(name string) *encoder {
	e.text(name)
	e.json = append(e.json, ':')
	e.comma = false
	return e
}

func (e *encoder) message(m engine.Message) {
	e.begin('{')
	e.key("content").text(m.Content)
	e.key("role").text(m.Role)
	e.end('}')
}

func (e *encoder) axis(r engine.AxisResult) {
	values := func(name string, numbers []float32) {
		e.key(name).begin('{')
		for i, title := range r.Titles {
			e.textKey(title).number32(numbers[i])
		}
		e.end('}')
	}
	e.begin('{')
	e.key("type").text(string(r.Type))
	e.key("pcTitles").texts(r.Titles)
	array(e.key("turns"), r.Turns, func(t engine.AxisTurn) {
		e.begin('{')
		values("pcValues", t.Values)
		if t.Steered != nil {
			values("pcValuesPostCap", t.Steered)
		}
		e.key("snippet").text(t.Snippet)
		e.end('}')
	})
	e.end('}')
}
