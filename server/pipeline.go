package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// matchUnescaped lets the router see /v1/%74okenize as /v1/tokenize.
func matchUnescaped(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Request().URL.RawPath = ""
		return next(c)
	}
}

// observe gives a request its id and logs it when it is done: never its text, its query or
// its headers.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !plainID(id) {
			id = newID()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		defer func() {
			level := slog.LevelInfo
			if r := s.routes[c.Request().URL.Path]; r != nil && !r.access.needsSecret() {
				level = slog.LevelDebug // probes come every few seconds
			}
			s.log.Log(c.Request().Context(), level, "request", "request", id,
				"method", c.Request().Method, "path", c.Request().URL.Path, "status", c.Response().Status,
				"bytes", c.Response().Size, "took", time.Since(started))
		}()
		return next(c)
	}
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// plainID tells whether a client's request id may be repeated in headers and logs.
func plainID(id string) bool {
	for _, r := range id {
		letter := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && !strings.ContainsRune("-_.:", r) {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func newID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// recoverPanics turns a panic into the answer of a defect.
func (s *Server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler {
				panic(cause) // meant for net/http: end the connection
			}
			s.log.Error("request panicked", "request", requestID(c), "path", c.Path(), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			s.fail(c, refuse(http.StatusInternalServerError, unexpected))
		}()
		return next(c)
	}
}

// answerErrors writes the answer of a failed request, so that the layers outside see it.
func (s *Server) answerErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := next(c); err != nil {
			s.fail(c, err)
		}
		return nil
	}
}

// awaitReady refuses requests while there is no model.
func (s *Server) awaitReady(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		status, r := s.service.Status(), s.routes[c.Request().URL.Path]
		if r != nil && r.access == probe {
			return next(c)
		}
		if !status.Ready && (status.Failed == "" || r == nil || r.access != reloads) {
			return refuse(http.StatusInternalServerError, notInitialized(status.Failed))
		}
		return next(c)
	}
}

func notInitialized(failed string) string {
	if failed == "" {
		return "Server not initialized."
	}
	return "Server not initialized. Initialization error: " + failed
}

// authorize asks for the secret, before anything of the body is read.
func (s *Server) authorize(next echo.HandlerFunc) echo.HandlerFunc {
	want := sha256.Sum256([]byte(s.options.Secret))
	return func(c echo.Context) error {
		r := s.routes[c.Request().URL.Path]
		if s.options.Secret == "" || r != nil && !r.access.needsSecret() {
			return next(c)
		}
		// Digests are compared, so that the time tells nothing of the secret's length either.
		got := sha256.Sum256([]byte(c.Request().Header.Get("X-SECRET-KEY")))
		if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			return refuse(http.StatusUnauthorized, "Invalid or missing X-SECRET-KEY header")
		}
		return next(c)
	}
}

// checkRoute refuses unknown paths and wrong methods, and sends a path with slashes behind it
// to the path without.
func (s *Server) checkRoute(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		request := c.Request()
		path := request.URL.Path
		if r := s.routes[path]; r != nil {
			if r.method == request.Method {
				return next(c)
			}
			wrong := detail(http.StatusMethodNotAllowed, "Method Not Allowed")
			wrong.header, wrong.value = echo.HeaderAllow, r.method
			return wrong
		}
		trimmed := strings.TrimRight(path, "/")
		if trimmed == path || s.routes[trimmed] == nil {
			return detail(http.StatusNotFound, "Not Found")
		}
		c.Response().Header().Set(echo.HeaderLocation, location(request, trimmed))
		c.Response().WriteHeader(http.StatusTemporaryRedirect)
		return nil
	}
}

// location is the absolute address of another path of this server, with the same query.
func location(request *http.Request, path string) string {
	scheme := "http"
	if request.TLS != nil || request.Header.Get(echo.HeaderXForwardedProto) == "https" {
		scheme = "https"
	}
	if query := request.URL.RawQuery; query != "" {
		path += "?" + query
	}
	return scheme + "://" + request.Host + path
}
