package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"npinf/internal/mmap"
)

// store makes a file local: nothing to do, or a link to content that is here, or a download.
func (r *remote) store(ctx context.Context, file entry) error {
	cache, about := r.client.cache, r.subject(file.path)
	if _, linked, ok := cache.find(r.repo, r.commit, file); linked {
		return nil
	} else if ok {
		return r.client.storageError(about, cache.place(r.repo, r.commit, file, false))
	}
	if r.client.config.Offline {
		return r.client.newError(Offline, about, "")
	}
	if file.etag() == "" {
		return r.client.newError(Network, about, "without the hub's list of files nothing can be verified")
	}
	if err := cache.tag(); err != nil {
		return r.client.storageError(about, err)
	}
	base := cache.blob(r.repo, file.etag())
	release, err := acquire(ctx, cache.lock(r.repo, file.etag()), func() {
		r.client.log.Info("waiting for another process that downloads this file", "repo", r.repo, "file", file.path)
	})
	switch {
	case errors.Is(err, errNoLocks):
		base += "." + randomHex() // a partial file of our own, which nobody resumes and nobody else writes to
		defer removePartial(base)
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return r.client.storageError(about, err)
	default:
		defer release()
	}
	_, _, ok := cache.find(r.repo, r.commit, file) // another process may have brought it while we waited
	if !ok {
		if err := r.twice(file, func() error { return r.download(ctx, base, file) }); err != nil {
			return err
		}
	}
	return r.client.storageError(about, cache.place(r.repo, r.commit, file, !ok))
}

// twice starts over once when content arrives damaged.
func (r *remote) twice(file entry, download func() error) error {
	err := download()
	if KindOf(err) != Corrupt {
		return err
	}
	r.client.log.Warn("a download arrived damaged and starts again", "repo", r.repo, "file", file.path, "because", err)
	return download()
}

// transfer downloads what is missing in to, and reports it.
func (r *remote) transfer(ctx context.Context, file entry, to target, pieces *pieces) error {
	progress, name := r.client.config.Progress, r.repo+"/"+file.path
	progress.Started(name, file.size, pieces.total())
	transfer := &transfer{client: r.client, about: r.subject(file.path), entry: file, to: to, pieces: pieces}
	err := transfer.run(ctx)
	progress.Finished(name, err)
	return err
}

// download fills the partial file at base and moves it to its place among the blobs once its hash is right.
func (r *remote) download(ctx context.Context, base string, file entry) error {
	about := r.subject(file.path)
	if err := os.MkdirAll(filepath.Dir(base), 0o777); err != nil {
		return r.client.storageError(about, err)
	}
	if err := r.client.fits(about, file.size-partialBytes(base, file, r.client.config.PieceBytes)); err != nil {
		return err
	}
	partial, err := openPartial(base, file, r.client.config.PieceBytes)
	if err != nil {
		return r.client.storageError(about, err)
	}
	defer partial.Close()
	if err := r.transfer(ctx, file, partial, partial.pieces); err != nil {
		if KindOf(err) == Corrupt {
			return errors.Join(err, partial.discard())
		}
		return err
	}
	return r.client.storageError(about, partial.finish(r.client.cache.blob(r.repo, file.etag())))
}

// stream downloads a file into memory.
func (r *remote) stream(ctx context.Context, file entry) ([]byte, func(), error) {
	memory, free, err := mmap.Allocate(file.size)
	if err != nil {
		return nil, nil, r.client.newError(TooLarge, r.subject(file.path), err.Error())
	}
	err = r.twice(file, func() error {
		return r.transfer(ctx, file, ram(memory), newPieces(file.size, r.client.config.PieceBytes))
	})
	if err != nil {
		return nil, nil, errors.Join(err, free())
	}
	return memory, func() { _ = free() }, nil
}

// ram is a target in memory.
type ram []byte

// WriteAt implements io.WriterAt.
func (m ram) WriteAt(data []byte, offset int64) (int, error) { return copy(m[offset:], data), nil }

// ReadAt implements io.ReaderAt.
func (m ram) ReadAt(data []byte, offset int64) (int, error) { return copy(data, m[offset:]), nil }

// storageError tells a full disk from a cache that cannot be written. It passes nil and errors that are explained already.
func (c *Client) storageError(about subject, err error) error {
	if err == nil || KindOf(err) != "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	kind := Unwritable
	if isDiskFull(err) {
		kind = NoSpace
	}
	failure := c.newError(kind, about, err.Error())
	failure.cause = err
	return failure
}
