package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxRedirects = 5

var errStalled = errors.New("the connection went silent")

// request is one GET, redirects included.
type request struct {
	url     string
	ranged  string        // the Range header; every file request has one, since the hub refuses whole files beyond 50 GB
	silence time.Duration // the longest wait for headers or for the next bytes
	about   subject
}

// answer is the response at the end of the redirects. Its body must be closed.
type answer struct {
	*http.Response
	url    string // where the body comes from
	onHub  bool   // that is the endpoint itself, not a file server it pointed to
	commit string // X-Repo-Commit as the hub stated it; a file server's headers are never believed
	etag   string // X-Linked-Etag likewise, "" where the hub serves the bytes itself
}

// get performs a request and follows redirects by hand: Go's client would carry the token to sub-domains and to other
// ports of the endpoint's host, and would hide the hub's own headers behind those of the file server.
func (c *Client) get(ctx context.Context, r request) (*answer, error) {
	ctx, watch := newWatchdog(ctx, r.silence)
	address, result := r.url, &answer{}
	for range maxRedirects + 1 {
		response, err := c.hop(ctx, address, r.ranged)
		if err != nil {
			err = c.exchangeError(ctx, r.about, err) // before the watch ends the context
			watch.stop()
			return nil, err
		}
		watch.reset()
		onHub := c.isEndpoint(address)
		if onHub {
			c.noteHub(result, response)
		}
		next, redirected := response.Header.Get("Location"), response.StatusCode >= 300 && response.StatusCode < 400
		if !redirected || next == "" {
			response.Body = &watchedBody{body: response.Body, watch: watch, wrap: func(err error) error { return c.exchangeError(ctx, r.about, err) }}
			result.Response, result.url, result.onHub = response, address, onHub
			return result, nil
		}
		response.Body.Close()
		if address, err = follow(address, next); err != nil {
			watch.stop()
			return nil, c.newError(NotHub, r.about, err.Error())
		}
	}
	watch.stop()
	return nil, c.newError(NotHub, r.about, fmt.Sprintf("more than %d redirects", maxRedirects))
}

func (c *Client) hop(ctx context.Context, address, ranged string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.config.UserAgent)
	req.Header.Set("Accept-Encoding", "identity")
	if ranged != "" {
		req.Header.Set("Range", ranged)
	}
	if c.config.Token != "" && c.isEndpoint(address) {
		req.Header.Set("Authorization", "Bearer "+c.config.Token)
	}
	return c.http.Do(req)
}

// noteHub keeps what the hub says about the file and logs its warnings, each topic once.
func (c *Client) noteHub(result *answer, response *http.Response) {
	if commit := response.Header.Get("X-Repo-Commit"); commit != "" {
		result.commit = commit
	}
	if etag := response.Header.Get("X-Linked-Etag"); etag != "" {
		result.etag = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	}
	for _, warning := range response.Header.Values("X-HF-Warning") {
		topic, text, found := strings.Cut(warning, ";")
		if !found {
			topic, text = "", warning
		}
		if _, known := c.warned.LoadOrStore(strings.TrimSpace(topic), true); !known {
			c.log.Warn("the hub warns", "topic", strings.TrimSpace(topic), "text", strings.TrimSpace(text))
		}
	}
}

// isEndpoint compares scheme, host and port: only there may the token go.
func (c *Client) isEndpoint(address string) bool {
	asked, err := url.Parse(address)
	own, ownErr := url.Parse(c.config.Endpoint)
	return err == nil && ownErr == nil && origin(asked) == origin(own)
}

func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// follow resolves a Location. What began encrypted stays encrypted.
func follow(address, location string) (string, error) {
	from, err := url.Parse(address)
	if err != nil {
		return "", errors.New("redirect from a malformed address")
	}
	to, err := from.Parse(location)
	if err != nil || to.Host == "" {
		return "", errors.New("redirect to a malformed address")
	}
	if to.Scheme != "https" && to.Scheme != from.Scheme {
		return "", fmt.Errorf("redirect from %s to %s", from.Scheme, to.Scheme)
	}
	return to.String(), nil
}

func (c *Client) exchangeError(ctx context.Context, about subject, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		err = errStalled
	} else if cause != nil {
		return cause
	}
	return c.networkError(about, err)
}

// watchdog cancels an exchange that stays silent for too long.
type watchdog struct {
	timer   *time.Timer
	silence time.Duration
	cancel  context.CancelCauseFunc
}

func newWatchdog(ctx context.Context, silence time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watchdog{timer: time.AfterFunc(silence, func() { cancel(errStalled) }), silence: silence, cancel: cancel}
}

func (w *watchdog) reset() { w.timer.Reset(w.silence) }

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// watchedBody resets the watchdog with every arrival and gives errors of this package.
type watchedBody struct {
	body  io.ReadCloser
	watch *watchdog
	wrap  func(error) error
}

// Read implements io.ReadCloser.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.watch.reset()
	}
	if err != nil && err != io.EOF {
		err = b.wrap(err)
	}
	return n, err
}

// Close implements io.ReadCloser.
func (b *watchedBody) Close() error {
	b.watch.stop()
	return b.body.Close()
}
