package server

import (
	_ "embed"
	"errors"
	"net/http"

	"npinf/engine"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// errNonFinite is what an answer that JSON cannot carry becomes.
var errNonFinite = &engine.Error{Code: engine.NonFinite, Message: "The result holds NaN or infinite values, which JSON cannot carry"}

// reply sends what encode writes.
func reply(c echo.Context, encode func(*encoder)) error {
	e := newEncoder(c)
	encode(e)
	if e.nonFinite {
		return errNonFinite
	}
	return send(c, http.StatusOK, jsonType, e.json)
}

// replyOne sends the one result of a request for one prompt.
func replyOne[T any](c echo.Context, results []T, err error, encode func(*encoder, T)) error {
	if err != nil {
		return err
	}
	if len(results) != 1 {
		return errors.New("the engine did not give one result for one prompt")
	}
	return reply(c, func(e *encoder) { encode(e, results[0]) })
}

// replyAll sends the results of a batch.
func replyAll[T any](c echo.Context, results []T, err error, encode func(*encoder, T)) error {
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) {
		e.begin('{')
		array(e.key("results"), results, func(r T) { encode(e, r) })
		e.end('}')
	})
}

//go:embed openapi.json
var openapiDocument []byte

//go:embed docs.html
var viewerPage []byte

func (s *Server) document(c echo.Context, _ schema.Values) error {
	return send(c, http.StatusOK, jsonType, openapiDocument)
}

func (s *Server) viewer(c echo.Context, _ schema.Values) error {
	return send(c, http.StatusOK, htmlType, viewerPage)
}

func status(c echo.Context, code int, word string) error {
	return send(c, code, jsonType, object("status", word))
}

// live says that the process runs.
func (s *Server) live(c echo.Context, _ schema.Values) error {
	return status(c, http.StatusOK, "alive")
}

// ready says whether requests can be answered.
func (s *Server) ready(c echo.Context, _ schema.Values) error {
	if state := s.service.Status(); !state.Ready {
		return refuse(http.StatusServiceUnavailable, notInitialized(state.Failed))
	}
	return status(c, http.StatusOK, "ready")
}

// health is the reference's probe: it does not answer 200 before the model is loaded.
func (s *Server) health(c echo.Context, _ schema.Values) error {
	return status(c, http.StatusOK, "healthy")
}

func (s *Server) tokenize(c echo.Context, r schema.Values) error {
	tokens, err := s.service.Tokenize(c.Request().Context(), engine.TokenizeRequest{
		Text:       r.Text("text"),
		PrependBOS: r.OptionalBoolean("prependBos"),
	})
	if err != nil {
		return err
	}
	return reply(c, func(e *encoder) { e.tokenized(tokens) })
}
