// Package weights reads tensors: safetensors, NumPy archives and torch
// checkpoints. It works on bytes, so it does not care whether a file is mapped
// from a cache, embedded in the binary or streamed into memory.
package weights

import "context"

// Files is a repository of files as the readers above this package see it. The
// snapshots of package hub satisfy it.
type Files interface {
	// Has reports whether the repository holds path.
	Has(path string) bool
	// Read gives the content of path. The bytes are read-only and stay valid until
	// release is called; release may be called more than once.
	Read(ctx context.Context, path string) (data []byte, release func(), err error)
}

// Dropper is what Files may be besides. Drop says that data, a part of what Read gave, will
// hardly be read again, so that its pages need not stay in memory. Mapped reports whether data
// lies in a mapped file, whose pages take memory only as far as they are read.
type Dropper interface {
	Drop(data []byte)
	Mapped(data []byte) bool
}
