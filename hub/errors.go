package hub

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Kind says what went wrong in a way callers can act on.
type Kind string

// The kinds of Error.
const (
	Invalid          Kind = "invalid"            // a name that can be no repository, revision or path
	NotFound         Kind = "not found"          // no such repository, or a private one this token cannot see
	RevisionNotFound Kind = "revision not found" // no such branch, tag or commit
	EntryNotFound    Kind = "entry not found"    // no such file at this commit
	Gated            Kind = "gated"              // the licence must be accepted and no token was sent
	GatedNotGranted  Kind = "gated, not granted" // the token's account has no access yet
	BadToken         Kind = "bad token"          // the hub does not know the token
	Forbidden        Kind = "forbidden"          // the token lacks a permission
	Disabled         Kind = "disabled"           // the hub has closed the repository
	RateLimited      Kind = "rate limited"       // too many requests, even after waiting
	Offline          Kind = "offline"            // the network is switched off and the cache does not hold it
	Corrupt          Kind = "corrupt"            // content that does not match its hash or size
	NoSpace          Kind = "no space"           // the disk or the memory cannot hold it
	Unwritable       Kind = "unwritable"         // the cache folder cannot be written
	Network          Kind = "network"            // no answer, a cut or a stall
	Server           Kind = "server"             // the hub answered with a failure of its own
	NotHub           Kind = "not a hub"          // something answered, but not as a hub does
	TooLarge         Kind = "too large"          // beyond a limit that protects this process
)

// Error is every error of this package that concerns a repository. Its text says what to do and never holds the token or
// a signed URL.
type Error struct {
	Kind      Kind
	Endpoint  string // base URL of the hub asked, "" where none was
	Repo      string
	Revision  string
	Path      string
	Status    int    // HTTP status, 0 where there was no answer
	RequestID string // the hub's x-request-id, for its support
	Message   string // what the server, the system or the check said
	Token     string // where the token in use came from, never the token

	retryAfter time.Duration // how long the server asked us to wait, 0 where it did not
	retry      bool          // trying the same thing again may help
	cause      error
}

// sentences says each kind to the user and ends in what to do. Names in braces are fields of the error.
var sentences = map[Kind]string{
	Invalid: "{message}",
	NotFound: "{repo} is not a local folder and is not a valid model identifier listed on {endpoint}: " +
		"check the spelling; if the repository is private, set HF_TOKEN to a token that may read it",
	RevisionNotFound: "{repo} has no revision {revision}: name a branch, a tag or a full commit listed at {endpoint}/{repo}",
	EntryNotFound:    "{repo} has no file {path}{at}",
	Gated: "{repo} is a gated repository: accept its licence at {endpoint}/{repo}, " +
		"then set HF_TOKEN to a token of that account",
	GatedNotGranted: "{repo} is a gated repository and the account of the token from {token} has no access to it: " +
		"request access at {endpoint}/{repo}, or set HF_TOKEN to a token of an account that has it",
	BadToken:    "{endpoint} does not accept the token from {token}: replace it, or remove it for public repositories",
	Forbidden:   "the token from {token} may not read {repo}: give it read permission for this repository at {endpoint}/settings/tokens",
	Disabled:    "{endpoint} has disabled access to {repo}: choose another repository",
	RateLimited: "{endpoint} limits how often this address may ask: wait a few minutes, or set HF_TOKEN for a higher limit",
	Offline: "{subject} is not in the cache and the network is switched off: " +
		"unset HF_HUB_OFFLINE, or copy a cache that holds it",
	Corrupt:    "{subject} arrived damaged and was discarded: try again, and check proxies or mirrors on the way",
	NoSpace:    "there is no room for {subject}: free space, or set HF_HUB_CACHE to a larger disk",
	Unwritable: "the cache cannot be written for {subject}: make it writable, or set HF_HUB_CACHE to a folder that is",
	Network: "{endpoint} cannot be reached for {subject}: check the network, HTTPS_PROXY and HF_ENDPOINT, " +
		"or set HF_HUB_OFFLINE=1 to use what is cached",
	Server:   "{endpoint} failed to answer for {subject}: try again later",
	NotHub:   "{endpoint} does not answer as a Hugging Face hub for {subject}: check HF_ENDPOINT, and sign in if a captive portal is in the way",
	TooLarge: "{subject} is larger than this process accepts",
}

// Error says what happened, the remedy, and in brackets the facts for whoever looks deeper.
func (e *Error) Error() string {
	at := ""
	if e.Revision != "" {
		at = " at " + e.Revision
	}
	text := strings.NewReplacer("{repo}", e.Repo, "{revision}", e.Revision, "{path}", e.Path, "{endpoint}", e.Endpoint,
		"{token}", e.Token, "{message}", e.Message, "{subject}", e.subject(), "{at}", at).Replace(sentences[e.Kind])
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("status %d", e.Status))
	}
	if e.RequestID != "" {
		facts = append(facts, "request "+e.RequestID)
	}
	if e.Message != "" && e.Kind != Invalid {
		facts = append(facts, e.Message)
	}
	if len(facts) == 0 {
		return text
	}
	return text + " (" + strings.Join(facts, ", ") + ")"
}

// Unwrap gives the system's error underneath, or nil.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) subject() string {
	switch {
	case e.Repo == "":
		return "this request"
	case e.Path == "":
		return e.Repo
	}
	return e.Repo + "/" + e.Path
}

// KindOf gives the kind of a hub error anywhere in err's chain, or "".
func KindOf(err error) Kind {
	var hubError *Error
	if errors.As(err, &hubError) {
		return hubError.Kind
	}
	return ""
}

// subject names what a request is about, for its errors.
type subject struct{ repo, revision, path string }

func (c *Client) newError(kind Kind, about subject, message string) *Error {
	return &Error{Kind: kind, Endpoint: c.config.Endpoint, Token: c.config.TokenSource,
		Repo: about.repo, Revision: about.revision, Path: about.path, Message: message}
}

// networkError wraps a failed exchange. A URL inside cause is dropped, since signed ones are credentials.
func (c *Client) networkError(about subject, cause error) error {
	if errors.Is(cause, context.Canceled) {
		return context.Canceled
	}
	var inURL *url.Error
	if errors.As(cause, &inURL) {
		cause = inURL.Err
	}
	failure := c.newError(Network, about, cause.Error())
	failure.cause, failure.retry = cause, true
	return failure
}
