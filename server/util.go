package server

import (
	"errors"
	"net/http"
	"strconv"

	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// initialize loads the model again. When that fails every request gets the reason, this one
// as well.
func (s *Server) initialize(c echo.Context, _ schema.Values) error {
	err := s.service.Reload(c.Request().Context(), c.QueryParam("custom_hf_model_id"))
	var known *engine.Error
	if errors.As(err, &known) && known.Code == engine.NotReady {
		return refuse(http.StatusInternalServerError, known.Message)
	}
	if err != nil {
		return err
	}
	return reply(c, (*encoder).null)
}

func (s *Server) sourceVector(c echo.Context, r schema.Values) error {
	result, err := s.service.SourceVector(c.Request().Context(), engine.VectorRequest{
		Source: r.Text("source"),
		Index:  r.Text("index"),
	})
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.sourceVector(result) })
}

func (s *Server) neighbours(c echo.Context, r schema.Values) error {
	q := engine.NeighboursRequest{
		Source:  r.Text("source"),
		Vector:  r.Numbers("vector"),
		Results: r.Integer("numResults"),
	}
	if f := r.Object("feature"); f != nil {
		q.Feature = &engine.FeatureID{Source: f.Text("source"), Index: f.Text("index")}
	}
	found, err := s.service.Neighbours(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.neighbours(r, found) })
}

func (s *Server) similarity(c echo.Context, r schema.Values) error {
	result, err := s.service.Similarity(c.Request().Context(), engine.SimilarityRequest{
		Source: r.Text("sourceId"),
		Text:   r.Text("text"),
	})
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.similarity(result) })
}

func (e *encoder) sourceVector(r engine.VectorResult) {
	e.begin('{')
	e.key("vector").numbers32(r.Vector)
	e.both("hookName", func() { e.text(r.Hook) })
	e.end('}')
}

// neighbours answers with the model names of the request, whatever they are.
func (e *encoder) neighbours(request schema.Values, found []engine.Neighbour) {
	e.begin('{')
	if f := request.Object("feature"); f != nil {
		e.key("feature").featureID(f.Text("model"), f.Text("source"), f.Text("index"))
	} else {
		e.nulls("feature")
	}
	array(e.key("topkDecoderCossimFeatures"), found, func(n engine.Neighbour) {
		e.begin('{')
		e.key("feature").featureID(request.Text("model"), request.Text("source"), strconv.Itoa(n.Index))
		e.key("cosineSimilarity").number32(n.Cosine)
		e.end('}')
	})
	e.end('}')
}

// featureID names a feature; index is written as a number.
func (e *encoder) featureID(model, source, index string) {
	if index == "-0" {
		index = "0"
	}
	e.begin('{')
	e.key("model").text(model)
	e.key("source").text(source)
	e.key("index").literal(index)
	e.end('}')
}

// similarity has snake_case keys in the reference, too.
func (e *encoder) similarity(r engine.SimilarityResult) {
	e.begin('{')
	array(e.key("similarity_matrix"), r.Matrix, e.numbers32)
	e.key("tokens").texts(r.Tokens)
	e.end('}')
}
