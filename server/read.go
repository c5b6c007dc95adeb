package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"npinf/internal/pyjson"
	"npinf/internal/schema"

	"github.com/labstack/echo/v4"
)

// bodyTime is how long a client may take to send a body.
const bodyTime = 2 * time.Minute

// read takes the body of a request, checks it and returns its fields. The errors are refusals
// with the bodies that FastAPI gives.
func (s *Server) read(c echo.Context, model *schema.Model) (schema.Values, error) {
	document, err := s.body(c)
	if err != nil {
		return nil, err
	}
	body, err := parse(c.Request().Header.Get(echo.HeaderContentType), document)
	if err != nil {
		return nil, err
	}
	if body.Kind() == pyjson.Null {
		return nil, invalid(schema.MissingBody())
	}
	values, problems := model.Check(body)
	if len(problems) > 0 {
		return nil, invalid(problems...)
	}
	return values, nil
}

// body reads the whole body, up to the limit.
func (s *Server) body(c echo.Context) ([]byte, error) {
	request, limit := c.Request(), s.options.MaxBody
	large := refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("The request body is larger than %d bytes, the most this server reads.", limit))
	if request.ContentLength > limit {
		return nil, large
	}
	// Not every connection has deadlines; without one the body is waited for as long as it takes.
	connection := http.NewResponseController(c.Response())
	connection.SetReadDeadline(time.Now().Add(bodyTime))
	document, err := io.ReadAll(http.MaxBytesReader(c.Response(), request.Body, limit))
	connection.SetReadDeadline(time.Time{}) // else it would end the request while it computes
	var overrun *http.MaxBytesError
	switch {
	case errors.As(err, &overrun):
		return nil, large
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "The request body ended early, or came too slowly.")
	}
	return document, nil
}

// parse reads a body as its content type says: JSON, or one string.
func parse(contentType string, document []byte) (pyjson.Value, error) {
	if len(document) == 0 {
		return pyjson.Value{}, nil
	}
	if !isJSON(contentType) {
		return pyjson.Text(string(document)), nil
	}
	body, err := pyjson.Parse(document)
	var syntax *pyjson.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return body, invalid(schema.InvalidJSON(syntax))
	case errors.Is(err, pyjson.ErrTooDeep):
		return body, refuse(http.StatusBadRequest, fmt.Sprintf("The request body is nested more than %d levels deep.", pyjson.MaxDepth))
	case err != nil:
		return body, detail(http.StatusBadRequest, "There was an error parsing the body")
	}
	return body, nil
}

// isJSON tells whether a content type is application/json or application/*+json.
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	subtype, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(kind)), "application/")
	return ok && !strings.Contains(subtype, "/") && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// invalid is a 422 with the problems of a body.
func invalid(problems ...schema.Problem) error {
	return &refusal{status: http.StatusUnprocessableEntity, body: schema.AppendDetail(nil, problems)}
}
