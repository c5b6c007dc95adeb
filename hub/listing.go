package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// entry is one file of a commit, as the hub's tree states it.
type entry struct {
	path   string
	size   int64
	blob   string // git sha1 of the file, or of its pointer where the content is kept apart
	sha256 string // of the content, for files kept apart (LFS, Xet); "" for small ones
	xet    string // kept for the other readers of the cache
}

// etag is what the cache files the content under: the hash that the content must have.
func (e entry) etag() string {
	if e.sha256 != "" {
		return e.sha256
	}
	return e.blob
}

// check refuses entries whose names or hashes would be unsafe as file names or useless as checks.
func (e entry) check() error {
	switch {
	case !safePath(e.path):
		return fmt.Errorf("the list of files holds the unsafe path %q", e.path)
	case e.size < 0 || e.size > maxFile:
		return fmt.Errorf("the list of files gives %s the impossible size of %d bytes", e.path, e.size)
	case e.sha256 != "" && !sha256Pattern.MatchString(e.sha256), !commitPattern.MatchString(e.blob):
		return fmt.Errorf("the list of files gives %s a malformed hash", e.path)
	}
	return nil
}

const (
	maxJSON  = 64 << 20 // bytes of one JSON answer; the largest real ones have a few
	maxPages = 10_000
	maxFile  = 1 << 43 // bytes of one file; the hub takes none beyond half a terabyte
)

// resolve asks for the commit of a revision. It does not insist where a cached copy could serve instead.
func (c *Client) resolve(ctx context.Context, about subject, cached bool) (string, error) {
	var info struct{ SHA string }
	address := c.config.Endpoint + "/api/models/" + about.repo + "/revision/" + url.PathEscape(about.revision)
	if _, err := c.getJSON(ctx, about, address, cached, &info); err != nil {
		return "", err
	}
	if !commitPattern.MatchString(info.SHA) {
		return "", c.newError(NotHub, about, "the answer names no commit")
	}
	return info.SHA, nil
}

// listing gives the files of a commit, from the cache or from the hub, which pages long lists.
func (c *Client) listing(ctx context.Context, about subject, commit string, cached bool) (map[string]entry, error) {
	if files, ok := c.cache.readTree(about.repo, commit); ok {
		return files, nil
	}
	files := map[string]entry{}
	next := c.config.Endpoint + "/api/models/" + about.repo + "/tree/" + commit + "?recursive=true&expand=false"
	for page := 0; next != ""; page++ {
		if page == maxPages {
			return nil, c.newError(TooLarge, about, "the list of files does not end")
		}
		var items []treeItem
		header, err := c.getJSON(ctx, about, next, cached, &items)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if item.Type == "file" {
				files[item.Path] = item.entry()
			}
		}
		if next, err = nextPage(next, header); err != nil {
			return nil, c.newError(NotHub, about, err.Error())
		}
	}
	for _, file := range files {
		if err := file.check(); err != nil {
			return nil, c.newError(NotHub, about, err.Error())
		}
	}
	if !c.config.Stream {
		c.cache.writeTree(about.repo, commit, files)
	}
	return files, nil
}

// treeItem is the hub's JSON of a file or folder.
type treeItem struct {
	Type    string
	Path    string
	Size    int64
	OID     string
	XetHash string
	LFS     *struct {
		OID  string
		Size int64
	}
}

func (t treeItem) entry() entry {
	file := entry{path: t.Path, size: t.Size, blob: t.OID, xet: t.XetHash}
	if t.LFS != nil {
		file.sha256, file.size = t.LFS.OID, t.LFS.Size
	}
	return file
}

var nextLink = regexp.MustCompile(`<([^>]*)>\s*;\s*rel="?next"?`)

// nextPage reads the Link header; "" after the last page.
func nextPage(address string, header http.Header) (string, error) {
	match := nextLink.FindStringSubmatch(strings.Join(header.Values("Link"), ", "))
	if match == nil {
		return "", nil
	}
	return follow(address, match[1])
}

// getJSON asks the hub's API a question. Without a cached copy it tries again, and the more patiently.
func (c *Client) getJSON(ctx context.Context, about subject, address string, cached bool, into any) (http.Header, error) {
	retries := maxRetries
	if cached {
		retries = 0
	}
	var header http.Header
	err := c.retry(ctx, retries, func(try int) (bool, error) {
		silence := c.config.MetadataTimeout
		if try > 0 {
			silence = max(silence, time.Minute)
		}
		got, err := c.get(ctx, request{url: address, silence: silence, about: about})
		if err != nil {
			return false, err
		}
		if got.StatusCode != http.StatusOK {
			return false, c.statusError(got, about)
		}
		defer got.Body.Close()
		header = got.Header
		return false, c.decode(got.Body, about, into)
	})
	return header, err
}

func (c *Client) decode(body io.Reader, about subject, into any) error {
	content, err := io.ReadAll(io.LimitReader(body, maxJSON+1))
	if err != nil {
		return err
	}
	if len(content) > maxJSON {
		return c.newError(TooLarge, about, fmt.Sprintf("an answer of more than %d bytes", maxJSON))
	}
	if err := json.Unmarshal(content, into); err != nil {
		return c.newError(NotHub, about, "the answer is not the expected JSON")
	}
	return nil
}

// Reachable asks the hub one small question and reports whether it answered at all.
func (c *Client) Reachable(ctx context.Context) error {
	if c.config.Offline {
		return c.newError(Offline, subject{}, "")
	}
	got, err := c.get(ctx, request{url: c.config.Endpoint + "/api/models?limit=1", silence: c.config.MetadataTimeout})
	if err != nil {
		return err
	}
	if got.StatusCode >= 500 {
		return c.statusError(got, subject{})
	}
	return got.Body.Close()
}
