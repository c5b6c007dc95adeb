package server

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"npinf/engine"

	"github.com/klauspost/compress/gzip"
	"github.com/labstack/echo/v4"
)

const (
	eventsType = "text/event-stream; charset=utf-8"
	linesType  = "application/x-ndjson"
)

// pieceTime is how long a client may take to read one piece of a stream.
const pieceTime = time.Minute

// stream is an answer that is sent in pieces while it comes about, each at once. Nothing is
// sent before the first piece, so that an error until then is an ordinary answer.
type stream struct {
	server      *Server
	context     echo.Context
	contentType string
	packed      *gzip.Writer // nil when not compressed
	begun       bool
	broken      bool // the client reads no more
}

func (s *Server) stream(c echo.Context, contentType string) *stream {
	return &stream{server: s, context: c, contentType: contentType}
}

// begin sends the head of the answer. Events are never compressed, as in the reference.
func (s *stream) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	response := s.context.Response()
	response.Header().Set(echo.HeaderContentType, s.contentType)
	if s.contentType != eventsType {
		response.Header().Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
		if strings.Contains(strings.Join(s.context.Request().Header.Values(echo.HeaderAcceptEncoding), ","), "gzip") {
			response.Header().Set(echo.HeaderContentEncoding, "gzip")
			var err error
			if s.packed, err = gzip.NewWriterLevel(response, gzipLevel); err != nil {
				return err
			}
		}
	}
	response.WriteHeader(http.StatusOK)
	return nil
}

// errBroken ends the work for a client that reads no more.
var errBroken = &engine.Error{Code: engine.Canceled, Message: "The client reads no more"}

// send writes one piece and sees to it that it leaves at once.
func (s *stream) send(piece []byte) error {
	if err := s.begin(); err != nil {
		return err
	}
	control := http.NewResponseController(s.context.Response())
	// Not every writer can. The connection may serve other requests afterwards, without a limit.
	_ = control.SetWriteDeadline(time.Now().Add(pieceTime))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	var err error
	if s.packed == nil {
		_, err = s.context.Response().Write(piece)
	} else if _, err = s.packed.Write(piece); err == nil {
		err = s.packed.Flush()
	}
	if err == nil {
		err = control.Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.broken = true
		return errBroken
	}
	return nil
}

// finish ends the stream. An error before the first piece is returned, to be answered in the
// ordinary way; later it becomes the last piece, which wrap makes of {"error": …}.
func (s *stream) finish(err error, wrap func(refusal []byte) []byte) error {
	switch {
	case err == nil:
		err = s.begin()
	case !s.begun:
		return err
	case !s.broken && s.context.Request().Context().Err() == nil:
		var refused *refusal
		if !errors.As(err, &refused) {
			refused = s.server.engineRefusal(s.context, err)
		}
		err = s.send(wrap(refused.body))
	}
	if s.packed != nil && !s.broken {
		return s.packed.Close()
	}
	if s.broken {
		return nil
	}
	return err
}

// sendEvent sends one server-sent event that encode writes.
func (s *stream) sendEvent(encode func(*encoder)) error {
	e := newEncoder(s.context)
	e.json = []byte("data: ")
	encode(e)
	if e.nonFinite {
		return errNonFinite
	}
	return s.send(append(e.json, "\n\n"...))
}

// errorEvent is the event that tells of an error after the first one.
func errorEvent(refusal []byte) []byte {
	return append(append([]byte("event: error\ndata: "), refusal...), "\n\n"...)
}
