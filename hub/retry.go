package hub

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	maxRetries   = 5
	firstBackoff = time.Second
	lastBackoff  = 8 * time.Second
)

// retry calls attempt until it succeeds, fails for good, or fails retries times in a row without progress.
func (c *Client) retry(ctx context.Context, retries int, attempt func(try int) (progress bool, err error)) error {
	for try := 0; ; try++ {
		progress, err := attempt(try)
		if progress {
			try = 0
		}
		if err == nil || try >= retries || !mayRetry(err) || ctx.Err() != nil {
			return err
		}
		wait := backoff(err, try)
		c.log.Warn("trying again", "in", wait, "because", err)
		if err := c.config.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func mayRetry(err error) bool {
	var failure *Error
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &failure) && failure.retry && !errors.As(err, &certificate)
}

// backoff is what the server asked for, or else 1, 2, 4, 8, 8 … seconds.
func backoff(err error, try int) time.Duration {
	var failure *Error
	if errors.As(err, &failure) && failure.retryAfter > 0 {
		return failure.retryAfter
	}
	return min(firstBackoff<<min(try, 10), lastBackoff)
}

// statusError turns an answer that is neither content nor a redirect into an error. It closes the body.
func (c *Client) statusError(got *answer, about subject) *Error {
	defer got.Body.Close()
	message := serverText(got.Response)
	failure := c.newError(statusKind(got.StatusCode, got.Header.Get("X-Error-Code"), message, about.path != ""), about, message)
	failure.Status = got.StatusCode
	failure.RequestID = got.Header.Get("X-Request-Id")
	switch got.StatusCode {
	case http.StatusTooManyRequests:
		failure.retry, failure.retryAfter = true, rateLimitWait(got.Header)
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		failure.retry = true
	}
	return failure
}

// statusKind reads status, X-Error-Code and message as the hub means them; forFile tells a file's URL from a repository's.
func statusKind(status int, code, message string, forFile bool) Kind {
	switch {
	case message == "Access to this resource is disabled.":
		return Disabled
	case code == "RevisionNotFound":
		return RevisionNotFound
	case code == "EntryNotFound":
		return EntryNotFound
	case code == "RepoNotFound":
		return NotFound
	case code == "GatedRepo" && status == http.StatusUnauthorized:
		return Gated
	case code == "GatedRepo":
		return GatedNotGranted
	case status == http.StatusUnauthorized && strings.Contains(message, "Invalid credentials"):
		return BadToken
	case status == http.StatusUnauthorized:
		return NotFound // the hub does not tell strangers which private repositories exist
	case status == http.StatusForbidden:
		return Forbidden
	case status == http.StatusNotFound && forFile:
		return EntryNotFound
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status >= 500 || status == http.StatusRequestTimeout:
		return Server
	}
	return NotHub
}

// serverText is the header X-Error-Message, or the body's JSON "error", a string or a list of strings.
func serverText(response *http.Response) string {
	if text := response.Header.Get("X-Error-Message"); text != "" {
		return text
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return ""
	}
	var one struct{ Error string }
	if json.Unmarshal(body, &one) == nil {
		return one.Error
	}
	var many struct{ Error []string }
	if json.Unmarshal(body, &many) == nil {
		return strings.Join(many.Error, "; ")
	}
	return ""
}

// rateLimitWait is the time until the window renews, if the quota is used up, or else Retry-After in its integer form,
// and one second more; 0 where the server says neither.
func rateLimitWait(header http.Header) time.Duration {
	var rest, renew = -1, -1
	for field := range strings.SplitSeq(header.Get("RateLimit"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		number, err := strconv.Atoi(value)
		switch {
		case err != nil || number < 0:
		case name == "r":
			rest = number
		case name == "t":
			renew = number
		}
	}
	if rest == 0 && renew >= 0 {
		return politeWait(renew)
	}
	if after, err := strconv.Atoi(header.Get("Retry-After")); err == nil && after >= 0 {
		return politeWait(after)
	}
	return 0
}

// politeWait is one second more than count, so that a clock a little fast does not ask too early; an hour at most.
func politeWait(count int) time.Duration { return time.Duration(min(count, 3600)+1) * time.Second }
