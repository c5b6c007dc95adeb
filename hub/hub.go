// Package hub brings the files of a Hugging Face repository to this machine: it resolves a revision to a commit, downloads
// in verified pieces, and keeps the cache that Python's huggingface_hub reads and writes. Local folders and files
// embedded in the binary look the same to callers. The package knows paths and bytes, no tensor.
package hub

import "context"

// Snapshot is one repository at one commit. Its methods may be called from several goroutines.
type Snapshot interface {
	// Name is the repository id, the folder, or the name the embedded files were given.
	Name() string
	// Commit is the 40-digit commit, or "" where there is none (folders and embedded files).
	Commit() string
	// Files lists every known file, sorted by path.
	Files() []FileInfo
	// Has reports whether the repository holds path.
	Has(path string) bool
	// Read gives the content of path, downloading it when it is not here. The bytes must not be written to and are valid
	// until release, which is never nil on success and may be called more than once.
	Read(ctx context.Context, path string) (data []byte, release func(), err error)
	// Fetch makes the files local, several at a time. After an error what has arrived is kept and the next Fetch goes on
	// from there. Where nothing can be stored the error's kind is NoSpace or Unwritable, and Read still works; with
	// Config.Stream nothing is meant to be stored, so Fetch only checks that the files exist.
	Fetch(ctx context.Context, paths []string) error
	// Close ends the use of the snapshot. Data from Read stays valid until its own release.
	Close() error
}

// FileInfo describes one file of a snapshot.
type FileInfo struct {
	Path   string // slash-separated, relative to the repository
	Size   int64  // bytes
	SHA256 string // lower-case hex; "" where the source does not state it (small files are known by their git hash)
	Cached bool   // the content can be read without the network
}
