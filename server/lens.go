package server

import (
	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// lens answers with one JSON line per piece, or with everything at the end.
func (s *Server) lens(c echo.Context, r schema.Values) error {
	model, query := r.Text("model"), lensQuery(r)
	if !r.Boolean("stream") {
		return s.lensBuffered(c, model, query)
	}
	lines := s.stream(c, linesType)
	err := s.service.Lens(c.Request().Context(), query, func(f engine.LensFrame) error {
		e := encoder{spaced: true}
		e.lensFrame(model, f)
		if e.nonFinite {
			return errNonFinite
		}
		return lines.send(append(e.json, '\n'))
	})
	return lines.finish(err, func(refusal []byte) []byte {
		return append(errorFrame(refusal), '\n')
	})
}

// lensBuffered gathers the pieces, without the prompt, which the readings repeat.
func (s *Server) lensBuffered(c echo.Context, model string, query engine.LensRequest) error {
	var e encoder
	e.begin('{')
	begun := false
	err := s.service.Lens(c.Request().Context(), query, func(f engine.LensFrame) error {
		switch {
		case f.Meta != nil:
			begun = true
			e.key("meta").lensFrame(model, f)
			e.key("tokens").begin('[')
		case f.Reading != nil:
			e.lensFrame(model, f)
		case f.Done != nil:
			e.end(']')
			e.key("done").lensFrame(model, f)
		}
		return c.Request().Context().Err()
	})
	if err != nil && begun {
		refused := s.engineRefusal(c, err)
		refused.body = errorFrame(refused.body)
		return refused
	}
	if err != nil {
		return err
	}
	e.end('}')
	return reply(c, func(whole *encoder) { *whole = e })
}

// errorFrame makes the last piece of {"error": …}.
func errorFrame(refusal []byte) []byte {
	return append([]byte(`{"kind":"error",`), refusal[1:]...)
}

func lensQuery(r schema.Values) engine.LensRequest {
	q := engine.LensRequest{
		Prompt: r.OptionalText("prompt"), InputIDs: r.Integers("inputTokenIds"), CachedIDs: r.Integers("cachedTokenIds"),
		Top: r.Integer("topN"), Layers: r.Integers("layers"), MaxLength: r.Integer("maxSeqLen"), PrependBOS: r.Boolean("prependBos"),
		Thinking: r.Boolean("enableThinking"), Preserve: r.Boolean("preserveThinking"), WordsOnly: r.Boolean("filterNonWordTokens"),
		Completion: r.Integer("numCompletionTokens"), Temperature: r.Number("temperature"), Seed: r.OptionalInteger("seed"),
		SteerTokens: lensTokens(r.Objects("steerTokens")), SteerLayers: r.Integers("steerLayers"), SteerStrength: r.Number("steerStrength"),
		SteerAblate: r.Boolean("steerAblate"), SteerGenerated: r.Boolean("steerGeneratedTokens"), FailIfBusy: r.Boolean("failIfBusy"),
	}
	for _, kind := range r.Texts("type") {
		q.Types = append(q.Types, engine.LensType(kind))
	}
	if messages := r.Objects("chat"); messages != nil {
		q.Chat = []engine.Message{}
		for _, m := range messages {
			q.Chat = append(q.Chat, engine.Message{Role: m.Text("role"), Content: m.Text("content")})
		}
	}
	if swap := r.Object("swapToken"); swap != nil {
		q.SwapToken = &lensTokens([]schema.Values{swap})[0]
	}
	return q
}

func lensTokens(objects []schema.Values) []engine.LensToken {
	var tokens []engine.LensToken
	for _, o := range objects {
		tokens = append(tokens, engine.LensToken{Text: o.Text("token"), Type: engine.LensType(o.Text("type"))})
	}
	return tokens
}

// lensFrame writes one piece. The keys are snake_case in the reference, too.
func (e *encoder) lensFrame(model string, f engine.LensFrame) {
	e.begin('{')
	switch {
	case f.Meta != nil:
		e.key("kind").text("meta")
		e.key("model").text(model)
		e.lensMeta(f.Meta)
	case f.Reading != nil:
		e.key("kind").text("token")
		e.lensReading(f.Reading)
	case f.Done != nil:
		e.key("kind").text("done")
		e.key("seq_len").integer(f.Done.Length)
		e.key("prompt_len").integer(f.Done.PromptLength)
		e.key("vocab_size").integer(f.Done.Vocabulary)
		e.key("completion").text(f.Done.Completion)
	default:
		e.key("kind").text("prompt")
		array(e.key("tokens"), f.Prompt, func(p engine.LensPosition) {
			e.begin('{')
			e.lensPosition(p)
			e.lensSpan(p)
			e.end('}')
		})
	}
	e.end('}')
}

func (e *encoder) lensMeta(m *engine.LensMeta) {
	array(e.key("types"), m.Types, e.lensType)
	e.key("layers_by_type").begin('{')
	for i, kind := range m.Types {
		e.exactKey(string(kind)).integers(m.Layers[i])
	}
	e.end('}')
	e.key("top_n").integer(m.Top)
	e.key("prompt_len").integer(m.PromptLength)
	e.key("num_completion_tokens").integer(m.Completion)
	e.key("temperature").number(m.Temperature)
	e.key("prepend_bos").boolean(m.PrependBOS)
	e.key("reuse_len").integer(m.Reused)
}

func (e *encoder) lensType(kind engine.LensType) { e.text(string(kind)) }

func (e *encoder) lensReading(r *engine.LensReading) {
	e.lensPosition(r.LensPosition)
	e.key("results").begin('[')
	for i, layers := range r.Choices {
		e.begin('{')
		e.key("type").lensType(r.Types[i])
		array(e.key("top_tokens"), layers, func(choices []engine.LensChoice) {
			array(e, choices, func(c engine.LensChoice) { e.text(c.Text) })
		})
		array(e.key("top_probs"), layers, func(choices []engine.LensChoice) {
			array(e, choices, func(c engine.LensChoice) { e.number(c.Probability) })
		})
		e.end('}')
	}
	e.end(']')
	e.lensSpan(r.LensPosition)
}

func (e *encoder) lensPosition(p engine.LensPosition) {
	e.key("position").integer(p.Position)
	e.key("token").text(p.Text)
	e.key("id").integer(p.ID)
	e.key("is_generated").boolean(p.Generated)
}

// lensSpan ends a position; what it does not have is null.
func (e *encoder) lensSpan(p engine.LensPosition) {
	e.key("is_char_continuation").boolean(p.Continuation)
	e.key("message_index").optionalInteger(p.Message)
	e.key("role").optional(p.Role)
	e.key("channel").optional(p.Channel)
	e.key("section").optional(p.Section)
}
