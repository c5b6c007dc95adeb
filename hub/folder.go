package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is a local folder as a snapshot.
type folder struct {
	mapped
	dir string
}

// OpenFolder opens a local folder with the files of a repository in it. Links are followed, since a snapshot folder of
// the hub's cache consists of them; the folder is the user's own.
func OpenFolder(dir string) (Snapshot, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err == nil {
		_, err = os.ReadDir(dir) // else a forbidden folder would look empty
	}
	if err != nil {
		return nil, &Error{Kind: Invalid, Repo: dir, Message: fmt.Sprintf("%s cannot be opened as a folder: %v", dir, err), cause: err}
	}
	return &folder{dir: dir}, nil
}

// Name implements Snapshot.
func (f *folder) Name() string { return f.dir }

// Commit implements Snapshot.
func (f *folder) Commit() string { return "" }

// Close implements Snapshot.
func (f *folder) Close() error { return nil }

// Files implements Snapshot.
func (f *folder) Files() []FileInfo {
	var list []FileInfo
	_ = filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != f.dir {
			return fs.SkipDir // .git, .cache
		}
		name, relErr := filepath.Rel(f.dir, path)
		info, statErr := os.Stat(path)
		if err == nil && relErr == nil && statErr == nil && info.Mode().IsRegular() {
			list = append(list, FileInfo{Path: filepath.ToSlash(name), Size: info.Size(), Cached: true})
		}
		return nil // what cannot be read is not offered
	})
	slices.SortFunc(list, func(a, b FileInfo) int { return strings.Compare(a.Path, b.Path) })
	return list
}

func (f *folder) local(path string) string { return filepath.Join(f.dir, filepath.FromSlash(path)) }

// Has implements Snapshot.
func (f *folder) Has(path string) bool {
	if !safePath(path) {
		return false
	}
	info, err := os.Stat(f.local(path))
	return err == nil && info.Mode().IsRegular()
}

// Read implements Snapshot.
func (f *folder) Read(ctx context.Context, path string) ([]byte, func(), error) {
	if err := f.Fetch(ctx, []string{path}); err != nil {
		return nil, nil, err
	}
	return f.readLocal(f.local(path), false)
}

// Fetch implements Snapshot.
func (f *folder) Fetch(ctx context.Context, paths []string) error { return allPresent(ctx, f, paths) }

// allPresent is Fetch where every file is local.
func allPresent(ctx context.Context, s Snapshot, paths []string) error {
	for _, path := range paths {
		if err := checkPath(s.Name(), path); err != nil {
			return err
		}
		if !s.Has(path) {
			return &Error{Kind: EntryNotFound, Repo: s.Name(), Path: path, cause: fs.ErrNotExist}
		}
	}
	return ctx.Err()
}
