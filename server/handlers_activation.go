package server

import (
	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

func (s *Server) single(c echo.Context, r schema.Values) error {
	q := singleQuery(r)
	q.Prompts = []string{r.Text("prompt")}
	results, err := s.service.ActivationSingle(c.Request().Context(), q)
	return replyOne(c, results, err, (*encoder).single)
}

func (s *Server) singleBatch(c echo.Context, r schema.Values) error {
	q := singleQuery(r)
	q.Prompts, q.Batch = r.Texts("prompts"), true
	results, err := s.service.ActivationSingle(c.Request().Context(), q)
	return replyAll(c, results, err, (*encoder).single)
}

func singleQuery(r schema.Values) engine.SingleRequest {
	return engine.SingleRequest{
		Source: r.OptionalText("source"),
		Index:  r.OptionalText("index"),
		Vector: r.Numbers("vector"),
		Hook:   r.OptionalText("hook"),
	}
}

func (s *Server) all(c echo.Context, r schema.Values) error {
	q := allQuery(r)
	q.Prompts = []string{r.Text("prompt")}
	results, err := s.service.ActivationAll(c.Request().Context(), q)
	return replyOne(c, results, err, (*encoder).all)
}

func (s *Server) allBatch(c echo.Context, r schema.Values) error {
	q := allQuery(r)
	q.Prompts, q.Batch = r.Texts("prompts"), true
	results, err := s.service.ActivationAll(c.Request().Context(), q)
	return replyAll(c, results, err, (*encoder).all)
}

func allQuery(r schema.Values) engine.AllRequest {
	return engine.AllRequest{
		SourceSet:  r.Text("sourceSet"),
		Sources:    r.Texts("selectedSources"),
		SortTokens: r.Integers("sortByTokenIndexes"),
		IgnoreBOS:  r.Boolean("ignoreBos"),
		Results:    r.Integer("numResults"),
	}
}

func (s *Server) topK(c echo.Context, r schema.Values) error {
	q := topKQuery(r)
	q.Prompts = []string{r.Text("prompt")}
	results, err := s.service.ActivationTopK(c.Request().Context(), q)
	return replyOne(c, results, err, (*encoder).topK)
}

func (s *Server) topKBatch(c echo.Context, r schema.Values) error {
	q := topKQuery(r)
	q.Prompts, q.Batch = r.Texts("prompts"), true
	results, err := s.service.ActivationTopK(c.Request().Context(), q)
	return replyAll(c, results, err, (*encoder).topK)
}

func topKQuery(r schema.Values) engine.TopKRequest {
	return engine.TopKRequest{
		Source:    r.Text("source"),
		K:         r.Integer("topK"),
		IgnoreBOS: r.Boolean("ignoreBos"),
	}
}

func (s *Server) source(c echo.Context, r schema.Values) error {
	results, err := s.service.ActivationSource(c.Request().Context(), engine.SourceRequest{
		Prompts: r.Texts("prompts"),
		Source:  r.Text("source"),
	})
	return replyAll(c, results, err, (*encoder).source)
}

func (s *Server) raw(c echo.Context, r schema.Values) error {
	hookPoint, kind := r.Text("hookPoint"), r.Text("type")
	result, err := s.service.ActivationRaw(c.Request().Context(), engine.RawRequest{
		Prompts:   r.Texts("prompts"),
		Layers:    r.Texts("layers"),
		HookPoint: hookPoint,
		Type:      kind,
	})
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.raw(hookPoint, kind, result) })
}

func (s *Server) attention(c echo.Context, r schema.Values) error {
	pattern, err := s.service.ActivationAttention(c.Request().Context(), engine.AttentionRequest{
		Prompt: r.Text("prompt"),
		Layer:  r.Text("layer"),
		Head:   r.Text("head"),
	})
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.attention(pattern) })
}
