package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CachedRepo is what the cache holds of one repository.
type CachedRepo struct {
	Repo  string
	Bytes int64 // on disk, content shared between commits counted once, unfinished downloads included
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
	walkFiles(c.folder(repo), func(path string, info fs.FileInfo) {
		bytes := info.Size()
		if base, ok := strings.CutSuffix(path, partialSuffix); ok {
			bytes = storedBytes(base)
		}
		used.Bytes += bytes
	})
	return used
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
