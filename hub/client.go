package hub

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Client talks to one hub and keeps one cache. It is safe for concurrent use; make one per process, so that all
// downloads share its limit of parallel requests.
type Client struct {
	config Config
	cache  cache
	http   *http.Client
	slots  chan struct{} // one per download in flight
	log    *slog.Logger
	warned sync.Map // topics of the hub's warnings that were logged
}

// NewClient makes a client; it opens and asks nothing yet. Without a CacheDir it streams.
func NewClient(config Config) *Client {
	config.Endpoint = strings.TrimRight(config.Endpoint, "/")
	setDefault(&config.Endpoint, defaultEndpoint)
	setDefault(&config.UserAgent, "npinf")
	setDefault(&config.TokenSource, "the configuration")
	setDefault(&config.MetadataTimeout, defaultTimeout)
	setDefault(&config.StallTimeout, defaultTimeout)
	setDefault(&config.PieceBytes, 32<<20)
	setDefault(&config.Parallel, 8)
	setDefault(&config.Logger, slog.New(slog.DiscardHandler))
	setDefault(&config.Progress, Reporter(silent{}))
	if config.CacheDir == "" { // a folder below the null device cannot exist, so nothing is found there
		config.CacheDir, config.Stream = filepath.Join(os.DevNull, "hub"), true
	}
	if config.Sleep == nil {
		config.Sleep = sleep
	}
	return &Client{
		config: config,
		cache:  cache{dir: config.CacheDir, noSymlinks: config.NoSymlinks},
		http:   newHTTPClient(config.Parallel),
		slots:  make(chan struct{}, config.Parallel),
		log:    config.Logger,
	}
}

func setDefault[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// newHTTPClient leaves redirects to us (the headers of each hop matter, and so does who sees the token), asks for no
// compression (it would hide lengths and disable ranges), and keeps to HTTP/1.1: each parallel range gets a connection
// of its own instead of sharing one flow-control window.
func newHTTPClient(parallel int) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     30 * time.Second,
			MaxIdleConnsPerHost: parallel,
			DisableCompression:  true,
			Protocols:           protocols,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Open gives the local folder called name if there is one, and else the repository of that id at revision.
func (c *Client) Open(ctx context.Context, name, revision string) (Snapshot, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return OpenFolder(name)
	}
	return c.Snapshot(ctx, name, revision)
}

// Snapshot resolves revision ("" for main) of repo to a commit and its list of files. A commit that the cache knows and
// offline mode ask nothing of the network, a known branch asks one question, and a new commit one more per page of files.
// Where the hub cannot answer, or refuses, the cached commit of that revision is used if there is one.
func (c *Client) Snapshot(ctx context.Context, repo, revision string) (Snapshot, error) {
	setDefault(&revision, "main")
	if err := checkRepo(repo); err != nil {
		return nil, err
	}
	if err := checkRevision(repo, revision); err != nil {
		return nil, err
	}
	about := subject{repo: repo, revision: revision}
	if commitPattern.MatchString(revision) {
		return c.atCommit(ctx, about, revision)
	}
	cached := c.cachedCommit(repo, revision)
	if c.config.Offline {
		if cached == "" {
			return nil, c.newError(Offline, about, "")
		}
		return c.fromCache(about, cached)
	}
	snapshot, err := c.fromHub(ctx, about, cached != "")
	if err != nil && cached != "" && servedByCache(err) && ctx.Err() == nil {
		c.log.Warn("using the cached commit of this repository", "repo", repo, "revision", revision, "commit", cached, "because", err)
		return c.fromCache(about, cached)
	}
	return snapshot, err
}

// servedByCache says which failures of the hub leave a cached commit as good as any answer. A revision that the hub
// says does not exist is not among them.
func servedByCache(err error) bool {
	switch KindOf(err) {
	case Network, Server, NotHub, RateLimited, NotFound, Gated, GatedNotGranted, BadToken, Forbidden, Disabled:
		return true
	}
	return false
}

// cachedCommit is the commit that revision had when it was last asked for, provided something of it is cached.
func (c *Client) cachedCommit(repo, revision string) string {
	commit := c.cache.readRef(repo, revision)
	if commit == "" || !c.cache.knows(repo, commit) {
		return ""
	}
	return commit
}

func (c *Client) fromHub(ctx context.Context, about subject, cached bool) (Snapshot, error) {
	commit, err := c.resolve(ctx, about, cached)
	if err != nil {
		return nil, err
	}
	files, err := c.listing(ctx, about, commit, cached)
	if err != nil {
		return nil, err
	}
	if !c.config.Stream {
		c.cache.writeRef(about.repo, about.revision, commit)
	}
	return c.newRemote(about, commit, files, true), nil
}

func (c *Client) atCommit(ctx context.Context, about subject, commit string) (Snapshot, error) {
	if c.config.Offline {
		return c.fromCache(about, commit)
	}
	cached := c.cache.knows(about.repo, commit)
	files, err := c.listing(ctx, about, commit, cached)
	if err != nil && cached && servedByCache(err) && ctx.Err() == nil {
		c.log.Warn("using the cached files of this commit", "repo", about.repo, "commit", commit, "because", err)
		return c.fromCache(about, commit)
	}
	if err != nil {
		return nil, err
	}
	return c.newRemote(about, commit, files, true), nil
}

// fromCache opens a commit by what the cache knows: its stored list of files, or else the files that lie there.
func (c *Client) fromCache(about subject, commit string) (Snapshot, error) {
	files, listed := c.cache.readTree(about.repo, commit)
	if !listed {
		files = c.cache.storedFiles(about.repo, commit)
	}
	if len(files) == 0 {
		return nil, c.newError(Offline, about, "")
	}
	return c.newRemote(about, commit, files, listed), nil
}
