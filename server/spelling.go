package server

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// The reference spells the keys of its answers in camelCase, but the published clients read
// snake_case. A request says what it wants in a header; the server has a default.
const (
	spellingHeader = "X-Npinf-Case"
	snakeSpelling  = "snake"
	camelSpelling  = "camel"
	spellingKey    = "snake" // of a request's context
)

// chooseSpelling remembers how the answer to a request is spelled.
func (s *Server) chooseSpelling(c echo.Context) error {
	switch c.Request().Header.Get(spellingHeader) {
	case "":
		c.Set(spellingKey, s.options.Snake)
	case snakeSpelling:
		c.Set(spellingKey, true)
	case camelSpelling:
		c.Set(spellingKey, false)
	default:
		return refuse(http.StatusBadRequest, "The header "+spellingHeader+" says neither "+camelSpelling+" nor "+snakeSpelling)
	}
	return nil
}

// newEncoder makes the encoder for the answer to a request.
func newEncoder(c echo.Context) *encoder {
	snake, _ := c.Get(spellingKey).(bool)
	return &encoder{snake: snake}
}
