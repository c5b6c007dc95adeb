// Package server answers Neuronpedia's inference API over HTTP: it decodes a request, calls
// one method of the engine and encodes the result. It does no arithmetic.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"npinf/engine"

	"github.com/getsentry/sentry-go"
	"github.com/labstack/echo/v4"
)

// Defaults of the Options.
const (
	DefaultMaxBody      = 8 << 20 // bytes
	DefaultShutdownTime = 30 * time.Second
)

// Options configure a Server. The zero value serves everyone, logs to slog's default logger
// and reports to nobody.
type Options struct {
	// Secret has to stand in the header X-SECRET-KEY of every request but probes and
	// preflights; "" asks for none.
	Secret string
	Logger *slog.Logger
	Sentry Sentry
	// Snake spells the keys of answers in snake_case unless a request asks otherwise.
	Snake bool
	// Version is npinf's own, for the provenance of answers.
	Version string
	// MaxBody bounds a request body, in bytes; 0 is DefaultMaxBody.
	MaxBody int64
	// ShutdownTime is how long Run lets running requests finish; 0 is DefaultShutdownTime.
	ShutdownTime time.Duration
}

// Server serves one engine. It may listen before the engine is ready: until Status().Ready
// every request but the probes gets 500 "Server not initialized.", as in the reference.
type Server struct {
	service engine.Service
	options Options
	log     *slog.Logger
	hub     *sentry.Hub // nil without a DSN
	routes  map[string]*route
	echo    *echo.Echo
}

// New makes a Server of a service.
func New(service engine.Service, o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.ShutdownTime == 0 {
		o.ShutdownTime = DefaultShutdownTime
	}
	s := &Server{service: service, options: o, log: o.Logger, routes: make(map[string]*route, len(routes))}
	s.hub = s.newHub()
	s.echo = echo.New()
	s.echo.HTTPErrorHandler = func(err error, c echo.Context) { s.fail(c, err) }
	s.echo.Pre(matchUnescaped)
	s.echo.Use(s.observe, s.allowOrigins, s.recoverPanics, s.report, s.answerErrors, s.awaitReady, s.authorize, s.checkRoute)
	for i := range routes {
		r := &routes[i]
		s.routes[r.path] = r
		s.echo.Add(r.method, r.path, s.handler(r))
	}
	return s
}

// Handler returns the HTTP handler of the whole API.
func (s *Server) Handler() http.Handler { return s.echo }

// Run serves a listener until ctx is done, then lets running requests finish. It returns nil
// after such a shutdown, and closes the listener in any case.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	// No ReadTimeout: it would also end requests that only compute for long.
	h := &http.Server{
		Handler:           s.echo,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.ShutdownTime)
	defer cancel()
	err := h.Shutdown(limit)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests were still running at the end of the shutdown time; they were cut off")
		err = h.Close()
	}
	<-served
	if s.hub != nil {
		s.hub.Flush(2 * time.Second)
	}
	return err
}
