package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"npinf/engine"
	"npinf/internal/pyjson"

	"github.com/labstack/echo/v4"
)

// statusClientGone stands in the log for requests whose caller left. It is never sent.
const statusClientGone = 499

// statuses gives each engine code its status. What is not listed is 500.
var statuses = map[engine.Code]int{
	engine.Internal:    http.StatusInternalServerError,
	engine.Invalid:     http.StatusBadRequest,
	engine.Unavailable: http.StatusServiceUnavailable,
	engine.NotReady:    http.StatusServiceUnavailable,
	engine.NonFinite:   http.StatusInternalServerError,
	engine.Canceled:    http.StatusServiceUnavailable,
	engine.Busy:        http.StatusTooManyRequests,
}

// unexpected is all that a user is told of a defect of ours.
const unexpected = "An error occurred while processing the request"

// refusal is an answer that ends a request before the engine is asked.
type refusal struct {
	status        int
	body          []byte // JSON
	header, value string // one header more, "" for none
}

// Error returns the body.
func (r *refusal) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.body) }

// refuse is a refusal with {"error": message}.
func refuse(status int, message string) *refusal {
	return &refusal{status: status, body: object("error", message)}
}

// detail is a refusal with {"detail": message}, for what FastAPI itself answers.
func detail(status int, message string) *refusal {
	return &refusal{status: status, body: object("detail", message)}
}

// object is a JSON object of one text.
func object(key, text string) []byte {
	return append(pyjson.AppendString([]byte(`{"`+key+`":`), text), '}')
}

// fail answers a request with an error. Defects of ours are logged and reported; the user
// learns nothing of their insides.
func (s *Server) fail(c echo.Context, err error) {
	if c.Response().Committed {
		return
	}
	if c.Request().Context().Err() != nil {
		c.Response().Status = statusClientGone // nobody is there to read an answer
		return
	}
	var refused *refusal
	if !errors.As(err, &refused) {
		refused = s.engineRefusal(c, err)
	}
	if refused.header != "" {
		c.Response().Header().Set(refused.header, refused.value)
	}
	if err := send(c, refused.status, jsonType, refused.body); err != nil {
		s.log.Debug("the answer was not taken", "request", requestID(c), "cause", err)
	}
}

// engineRefusal turns an error of the engine into an answer.
func (s *Server) engineRefusal(c echo.Context, err error) *refusal {
	var known *engine.Error
	if !errors.As(err, &known) {
		known = &engine.Error{Code: engine.Internal, Cause: err}
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			known = &engine.Error{Code: engine.Canceled, Message: "The request was cancelled", Cause: err}
		}
	}
	status, ok := statuses[known.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	message := known.Message
	if message == "" {
		message = unexpected
	}
	if status == http.StatusInternalServerError {
		s.defect(c, known)
	}
	refused := &refusal{status: status, body: errorBody(known, message)}
	if status == http.StatusServiceUnavailable {
		refused.header, refused.value = echo.HeaderRetryAfter, retryAfter(known.RetryAfter)
	}
	return refused
}

// errorBody is {"error": message}, and what some errors say besides.
func errorBody(known *engine.Error, message string) []byte {
	var e encoder
	e.begin('{')
	e.key("error").text(message)
	var lens *engine.LensUnavailable
	switch {
	case known.Code == engine.Busy:
		e.key("busy").boolean(true)
	case errors.As(known.Cause, &lens):
		e.key("status").text(lens.Status)
		if e.key("detail"); lens.Detail == "" {
			e.null()
		} else {
			e.text(lens.Detail)
		}
	}
	e.end('}')
	return e.json
}

// defect logs and reports an error that should not have happened.
func (s *Server) defect(c echo.Context, err *engine.Error) {
	s.log.Error("request failed", "request", requestID(c), "path", c.Path(), "error", err.Message, "cause", err.Cause)
	if err.Code == engine.Internal {
		s.capture(c, err)
	}
}

// retryAfter spells a waiting time in whole seconds, at least one.
func retryAfter(wait time.Duration) string {
	return strconv.Itoa(int(math.Max(1, math.Ceil(wait.Seconds()))))
}
