package hub

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// remote is a commit of a repository on the hub together with what the cache holds of it.
type remote struct {
	mapped
	client *Client
	repo   string
	commit string
	files  map[string]entry
	listed bool // files is the hub's list, not just what the cache holds
}

func (c *Client) newRemote(about subject, commit string, files map[string]entry, listed bool) *remote {
	return &remote{client: c, repo: about.repo, commit: commit, files: files, listed: listed}
}

// Name implements Snapshot.
func (r *remote) Name() string { return r.repo }

// Commit implements Snapshot.
func (r *remote) Commit() string { return r.commit }

// Close implements Snapshot.
func (r *remote) Close() error { return nil }

// Has implements Snapshot.
func (r *remote) Has(path string) bool {
	_, ok := r.files[path]
	return ok
}

// Files implements Snapshot.
func (r *remote) Files() []FileInfo {
	list := make([]FileInfo, 0, len(r.files))
	for _, file := range r.files {
		_, _, cached := r.client.cache.find(r.repo, r.commit, file)
		list = append(list, FileInfo{Path: file.path, Size: file.size, SHA256: file.sha256, Cached: cached})
	}
	slices.SortFunc(list, func(a, b FileInfo) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// subject names a file at this commit.
func (r *remote) subject(path string) subject {
	return subject{repo: r.repo, revision: r.commit, path: path}
}

// entry looks path up. An absent file is noted in the cache, where Python looks for such notes.
func (r *remote) entry(path string) (entry, error) {
	if err := checkPath(r.repo, path); err != nil {
		return entry{}, err
	}
	if file, ok := r.files[path]; ok {
		return file, nil
	}
	absent := r.listed || r.client.cache.isAbsent(r.repo, r.commit, path)
	switch {
	case !absent && r.client.config.Offline:
		return entry{}, r.client.newError(Offline, r.subject(path), "")
	case !absent:
		return entry{}, r.client.newError(Network, r.subject(path), "it is not in the cache, and the hub's list of files was not to be had")
	case !r.client.config.Stream:
		r.client.cache.noteAbsent(r.repo, r.commit, path)
	}
	return entry{}, r.client.newError(EntryNotFound, r.subject(path), "")
}

// Read maps the file from the cache, storing it there first, or streams it into memory where nothing can be stored.
func (r *remote) Read(ctx context.Context, path string) ([]byte, func(), error) {
	file, err := r.entry(path)
	if err != nil {
		return nil, nil, err
	}
	if _, _, ok := r.client.cache.find(r.repo, r.commit, file); !ok && r.client.config.Stream && !r.client.config.Offline {
		return r.stream(ctx, file)
	}
	err = r.store(ctx, file)
	local, _, ok := r.client.cache.find(r.repo, r.commit, file)
	if ok {
		return r.readLocal(local, r.client.config.NoMap) // even if it could not be linked
	}
	if kind := KindOf(err); kind == NoSpace || kind == Unwritable {
		r.client.log.Warn("downloading into memory because the cache cannot hold the file", "repo", r.repo, "file", path, "because", err)
		return r.stream(ctx, file)
	}
	return nil, nil, err
}

// Fetch downloads several files at a time; the client's slots bound the requests in flight.
func (r *remote) Fetch(ctx context.Context, paths []string) error {
	wanted := map[string]entry{}
	for _, path := range paths {
		file, err := r.entry(path)
		if err != nil {
			return err
		}
		wanted[path] = file
	}
	if r.client.config.Stream {
		return nil
	}
	plan, err := r.client.Plan(r, paths)
	if err != nil {
		return err
	}
	if err := plan.Fits(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	files := make(chan struct{}, r.client.config.Parallel)
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		files <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-files }()
			if err := r.store(ctx, wanted[path]); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
