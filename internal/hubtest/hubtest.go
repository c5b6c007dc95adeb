// Package hubtest is a Hugging Face hub inside the test process: the hub on 127.0.0.1 and its file server under another
// name and port, answering as the real ones do, failing where a test wants it, and counting what it was asked.
package hubtest

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Hub is a running stand-in. Its methods may be called while requests come in.
type Hub struct {
	URL string // what HF_ENDPOINT is set to

	files    string // base URL of the file server
	mu       sync.Mutex
	repos    map[string]*repo
	faults   []*Fault
	requests []Request
	served   map[string]int64
	forgets  int
	pageSize int
	links    map[string]int // signed addresses and how often each was used
	linkUses int
}

// repo is one repository: its commits by hash, and which one main is.
type repo struct {
	main     string
	commits  map[string]map[string]File
	token    string // the only one that opens it, "" where it is public
	disabled bool
	renamed  string // the new id
}

// File is one file of a commit.
type File struct {
	Path    string
	Content []byte
}

// Large says whether the hub keeps the file apart and sends readers to the file server for it.
func (f File) Large() bool {
	return slices.Contains([]string{".safetensors", ".npz", ".pt", ".bin", ".gguf"}, path.Ext(f.Path))
}

// SHA1 is git's name of the content.
func (f File) SHA1() string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(f.Content)), f.Content...))
	return hex.EncodeToString(sum[:])
}

// SHA256 is the hash of the content.
func (f File) SHA256() string {
	sum := sha256.Sum256(f.Content)
	return hex.EncodeToString(sum[:])
}

// Etag is the name of the content in the cache.
func (f File) Etag() string {
	if f.Large() {
		return f.SHA256()
	}
	return f.SHA1()
}

// Request is one request that arrived, redirects counted singly.
type Request struct {
	Content    bool // it reached bytes of a file (on the hub or on the file server), or an error in their place
	FileServer bool // it went to the file server
	Path       string
	Range      string
	Token      string // the bearer token sent
}

// New starts a hub that the end of the test stops.
func New(t testing.TB) *Hub {
	t.Helper()
	h := &Hub{repos: map[string]*repo{}, served: map[string]int64{}, links: map[string]int{}, pageSize: 1000}
	hub := httptest.NewServer(http.HandlerFunc(h.serveHub))
	fileServer := httptest.NewServer(http.HandlerFunc(h.serveFiles))
	t.Cleanup(func() {
		hub.CloseClientConnections()
		fileServer.CloseClientConnections()
		hub.Close()
		fileServer.Close()
	})
	_, port, err := net.SplitHostPort(fileServer.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h.URL, h.files = hub.URL, "http://localhost:"+port
	return h
}

// AddRepo makes a commit with these files the repository's main and returns its hash. Earlier commits stay.
func (h *Hub) AddRepo(id string, files map[string][]byte) string {
	commit := map[string]File{}
	digest := sha1.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		commit[name] = File{Path: name, Content: files[name]}
		fmt.Fprintln(digest, id, name, commit[name].SHA1())
	}
	hash := hex.EncodeToString(digest.Sum(nil))
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.repos[id] == nil {
		h.repos[id] = &repo{commits: map[string]map[string]File{}}
	}
	h.repos[id].main, h.repos[id].commits[hash] = hash, commit
	return hash
}

// Gate lets only this token into the repository.
func (h *Hub) Gate(id, token string) { h.change(id, func(r *repo) { r.token = token }) }

// Disable closes the repository as the hub's moderators do.
func (h *Hub) Disable(id string) { h.change(id, func(r *repo) { r.disabled = true }) }

// Rename makes the old id redirect to the new one.
func (h *Hub) Rename(old, id string) {
	h.change(old, func(r *repo) {
		h.repos[id] = &repo{main: r.main, commits: r.commits, token: r.token}
		r.renamed = id
	})
}

func (h *Hub) change(id string, edit func(*repo)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	edit(h.repos[id])
}

// SetPageSize sets how many entries of a file list one answer holds.
func (h *Hub) SetPageSize(entries int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pageSize = entries
}

// ExpireLinks makes every signed address good for so many uses; 0 for any number.
func (h *Hub) ExpireLinks(uses int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.linkUses = uses
}

// Requests gives what arrived since the start or the last Forget.
func (h *Hub) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

// Count is the number of requests whose path holds part.
func (h *Hub) Count(part string) int {
	count := 0
	for _, request := range h.Requests() {
		if strings.Contains(request.Path, part) {
			count++
		}
	}
	return count
}

// Served is the number of content bytes of a file that were handed to the network since the start or the last Forget.
func (h *Hub) Served(id, path string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.served[id+"/"+path]
}

// count adds served bytes unless they belong to a time that was forgotten.
func (h *Hub) count(since int, name string, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if since == h.forgets {
		h.served[name] += bytes
	}
}

// Forget clears requests, byte counts and faults. Answers still under way, to clients that were killed for instance, count
// for nothing any more.
func (h *Hub) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests, h.faults, h.served = nil, nil, map[string]int64{}
	h.forgets++
}
