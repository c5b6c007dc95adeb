package hub

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// BytesFS is a file system that can show a file's bytes without copying them. Files embedded as []byte can have it;
// embed.FS cannot.
type BytesFS interface {
	fs.FS
	// Bytes gives the content of the file at path; nobody may write to it.
	Bytes(path string) ([]byte, error)
}

// embedded is a file system, as a rule one inside the binary, as a snapshot.
type embedded struct {
	name  string
	files fs.FS
	list  []FileInfo
}

// OpenFS opens the files of a file system under a name of the caller's choice. Read copies nothing if files is a BytesFS.
func OpenFS(name string, files fs.FS) (Snapshot, error) {
	e := &embedded{name: name, files: files}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			e.list = append(e.list, FileInfo{Path: path, Size: info.Size(), Cached: true})
		}
		return err
	})
	if err != nil {
		return nil, &Error{Kind: Invalid, Repo: name, Message: fmt.Sprintf("%s cannot be listed: %v", name, err), cause: err}
	}
	slices.SortFunc(e.list, func(a, b FileInfo) int { return strings.Compare(a.Path, b.Path) })
	return e, nil
}

// Name implements Snapshot.
func (e *embedded) Name() string { return e.name }

// Commit implements Snapshot.
func (e *embedded) Commit() string { return "" }

// Close implements Snapshot.
func (e *embedded) Close() error { return nil }

// Files implements Snapshot.
func (e *embedded) Files() []FileInfo { return slices.Clone(e.list) }

// Has implements Snapshot.
func (e *embedded) Has(path string) bool {
	return slices.ContainsFunc(e.list, func(file FileInfo) bool { return file.Path == path })
}

// Read implements Snapshot.
func (e *embedded) Read(ctx context.Context, path string) ([]byte, func(), error) {
	if err := e.Fetch(ctx, []string{path}); err != nil {
		return nil, nil, err
	}
	var data []byte
	var err error
	if shown, ok := e.files.(BytesFS); ok {
		data, err = shown.Bytes(path)
	} else {
		data, err = fs.ReadFile(e.files, path)
	}
	return data, func() {}, err
}

// Fetch implements Snapshot.
func (e *embedded) Fetch(ctx context.Context, paths []string) error { return allPresent(ctx, e, paths) }
