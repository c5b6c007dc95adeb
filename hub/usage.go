package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CachedRepo is what the cache holds of one repository.
type CachedRepo struct {
	Repo    string
	Commits []CachedCommit
	Bytes   int64 // on disk, content shared between commits counted once
	Partial int64 // of those, unfinished downloads
}

// CachedCommit is one commit in the cache.
type CachedCommit struct {
	Commit string
	Refs   []string // branches and tags that pointed to it when they were last asked for
	Files  int
	Bytes  int64 // of its files, shared or not
}

const repoPrefix = "models--"

// CacheUsage lists the cached models, sorted by name. No cache folder is an empty cache.
func (c *Client) CacheUsage() ([]CachedRepo, error) {
	folders, err := os.ReadDir(c.cache.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, c.storageError(subject{}, err)
	}
	var list []CachedRepo
	for _, folder := range folders {
		name, ok := strings.CutPrefix(folder.Name(), repoPrefix)
		repo := strings.Replace(name, "--", "/", 1)
		if ok && folder.IsDir() && checkRepo(repo) == nil {
			list = append(list, c.cache.usage(repo))
		}
	}
	return list, nil
}

func (c cache) usage(repo string) CachedRepo {
	used := CachedRepo{Repo: repo}
	refs := c.refs(repo)
	commits, _ := os.ReadDir(filepath.Join(c.folder(repo), "snapshots")) // none yet: nothing to list
	for _, folder := range commits {
		commit := CachedCommit{Commit: folder.Name(), Refs: refs[folder.Name()]}
		for _, file := range c.storedFiles(repo, commit.Commit) {
			commit.Files++
			commit.Bytes += file.size
		}
		used.Commits = append(used.Commits, commit)
	}
	walkFiles(c.folder(repo), func(path string, info fs.FileInfo) {
		bytes := info.Size()
		if base, ok := strings.CutSuffix(path, partialSuffix); ok {
			bytes = storedBytes(base)
			used.Partial += bytes
		}
		used.Bytes += bytes
	})
	return used
}

// refs maps each commit to the names that lead to it.
func (c cache) refs(repo string) map[string][]string {
	root, refs := filepath.Join(c.folder(repo), "refs"), map[string][]string{}
	walkFiles(root, func(path string, _ fs.FileInfo) {
		name, err := filepath.Rel(root, path)
		if commit := c.readRef(repo, filepath.ToSlash(name)); err == nil && commit != "" {
			refs[commit] = append(refs[commit], filepath.ToSlash(name))
		}
	})
	return refs
}

// walkFiles visits the regular files below root, links left out, in order. What cannot be read is left out.
func walkFiles(root string, visit func(path string, info fs.FileInfo)) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			visit(path, info)
		}
		return nil
	})
}

// Remove deletes a repository from the cache and returns the bytes freed. Processes that have its files mapped keep them,
// except on Windows, where the removal fails instead.
func (c *Client) Remove(repo string) (int64, error) {
	if err := checkRepo(repo); err != nil {
		return 0, err
	}
	cached, err := c.CacheUsage()
	if err != nil {
		return 0, err
	}
	index := slices.IndexFunc(cached, func(r CachedRepo) bool { return r.Repo == repo })
	if index < 0 {
		return 0, c.newError(Invalid, subject{repo: repo}, repo+" is not in the cache")
	}
	err = errors.Join(os.RemoveAll(c.cache.folder(repo)), os.RemoveAll(filepath.Dir(c.cache.lock(repo, "any"))))
	return cached[index].Bytes, c.storageError(subject{repo: repo}, err)
}
