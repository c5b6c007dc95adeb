package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// errWhole says that a server which had answered ranges now sends whole files.
var errWhole = errors.New("the server ignores ranges")

const copyBytes = 256 << 10 // at most this much is lost when the process is killed, per connection

// target holds the bytes of one file while they arrive.
type target interface {
	io.WriterAt
	io.ReaderAt
}

// transfer downloads one file of a commit into a target, the missing parts only, several at a time.
type transfer struct {
	client *Client
	about  subject // its revision is the commit, so nothing can change under way
	entry  entry
	to     target
	pieces *pieces

	signed   atomic.Pointer[string] // the file server's address of the moment; these expire
	together atomic.Bool            // several requests may be in flight
}

// run returns when every byte has arrived and the hash is right; its error's kind is Corrupt when the hash is wrong.
func (t *transfer) run(ctx context.Context) error {
	err := t.attempt(ctx, min(t.client.config.Parallel, max(1, t.pieces.count())))
	if errors.Is(err, errWhole) {
		err = t.attempt(ctx, 1)
	}
	return err
}

func (t *transfer) attempt(ctx context.Context, workers int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	var wrong string
	group.Go(func() {
		var err error
		check := verifier{entry: t.entry, from: t.to, pieces: t.pieces}
		if wrong, err = check.run(ctx); err != nil {
			cancel(err)
		}
	})
	t.fetchPieces(ctx, cancel, &group, workers)
	group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if wrong != "" {
		return t.client.newError(Corrupt, t.about, fmt.Sprintf("its hash is %s instead of %s", wrong, t.entry.etag()))
	}
	return nil
}

// fetchPieces starts the workers. All but the first wait until the first has seen that the server honours ranges, so one
// that does not is read once, by one request.
func (t *transfer) fetchPieces(ctx context.Context, cancel context.CancelCauseFunc, group *sync.WaitGroup, workers int) {
	var next atomic.Int64
	proven := make(chan struct{})
	t.together.Store(false)
	ranged := sync.OnceFunc(func() {
		t.together.Store(workers > 1)
		close(proven)
	})
	for worker := range workers {
		group.Go(func() {
			if worker == 0 {
				defer ranged()
			} else {
				select {
				case <-proven:
				case <-ctx.Done():
				}
			}
			for index := next.Add(1) - 1; index < int64(t.pieces.count()) && ctx.Err() == nil; index = next.Add(1) - 1 {
				if err := t.fetchPiece(ctx, int(index), ranged); err != nil {
					cancel(err)
				}
			}
		})
	}
}

func (t *transfer) fetchPiece(ctx context.Context, index int, ranged func()) error {
	start, end := t.pieces.bounds(index)
	return t.client.retry(ctx, maxRetries, func(int) (bool, error) {
		select {
		case t.client.slots <- struct{}{}:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		defer func() { <-t.client.slots }()
		before := t.pieces.arrived(index)
		if start+before == end { // a whole file sent in place of a piece brought this one
			return false, nil
		}
		err := t.request(ctx, start+before, end, ranged)
		after := t.pieces.arrived(index)
		if err == nil && start+after < end {
			failure := t.client.newError(Network, t.about, "the connection was cut")
			failure.retry, err = true, failure
		}
		return after > before, err
	})
}

// request asks for bytes [start, end) once and stores what comes.
func (t *transfer) request(ctx context.Context, start, end int64, ranged func()) error {
	got, err := t.open(ctx, start, end)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	if err := t.check(got, start); err != nil {
		return err
	}
	if got.StatusCode == http.StatusPartialContent {
		ranged()
		return t.copy(got.Body, start, end)
	}
	if t.together.Load() {
		return errWhole
	}
	return t.copy(got.Body, 0, t.entry.size)
}

// open goes to the file server that the hub named last, or to the hub if there is none or its address has expired.
func (t *transfer) open(ctx context.Context, start, end int64) (*answer, error) {
	ask := request{ranged: fmt.Sprintf("bytes=%d-%d", start, end-1), silence: t.client.config.StallTimeout, about: t.about}
	if signed := t.signed.Load(); signed != nil {
		ask.url = *signed
		got, err := t.client.get(ctx, ask)
		if err != nil || !refused(got.StatusCode) {
			return t.content(got, err)
		}
		got.Body.Close()
		t.signed.CompareAndSwap(signed, nil)
	}
	ask.url = t.client.fileURL(t.about)
	got, err := t.client.get(ctx, ask)
	if err == nil && !got.onHub && !refused(got.StatusCode) {
		t.signed.Store(&got.url)
	}
	return t.content(got, err)
}

// refused says that an address no longer opens the file, for whatever reason its server gives.
func refused(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	return status >= 400 && status < 500
}

func (c *Client) fileURL(about subject) string {
	parts := strings.Split(about.path, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return c.config.Endpoint + "/" + about.repo + "/resolve/" + about.revision + "/" + strings.Join(parts, "/")
}

// content passes answers with content and turns others into errors.
func (t *transfer) content(got *answer, err error) (*answer, error) {
	if err != nil || got.StatusCode == http.StatusOK || got.StatusCode == http.StatusPartialContent {
		return got, err
	}
	failure := t.client.statusError(got, t.about)
	switch {
	case got.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		failure.Kind, failure.Message = Corrupt, "the server's file is shorter than the hub's list says"
	case !got.onHub && refused(got.StatusCode):
		failure.Kind, failure.Message = Server, "the file server refuses the address that the hub gave"
		failure.retry = got.StatusCode == http.StatusUnauthorized || got.StatusCode == http.StatusForbidden
	}
	return nil, failure
}

// check compares what the headers say with what was asked for.
func (t *transfer) check(got *answer, start int64) error {
	size := got.ContentLength // unknown is -1
	if got.StatusCode == http.StatusPartialContent {
		var from, to int64
		size = -1
		_, err := fmt.Sscanf(got.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size)
		if (err != nil && size != -1) || from != start {
			failure := t.client.newError(NotHub, t.about, fmt.Sprintf("asked for bytes from %d, got %q", start, got.Header.Get("Content-Range")))
			failure.retry = true
			return failure
		}
	}
	switch encoding := got.Header.Get("Content-Encoding"); {
	case encoding != "" && encoding != "identity":
		return t.client.newError(NotHub, t.about, fmt.Sprintf("the content comes encoded as %q", encoding))
	case got.commit != "" && got.commit != t.about.revision, got.etag != "" && got.etag != t.entry.etag():
		return t.client.newError(Corrupt, t.about, "the hub names other content than its list of files")
	case size >= 0 && size != t.entry.size && got.StatusCode == http.StatusPartialContent:
		return t.client.newError(Corrupt, t.about, fmt.Sprintf("the server's file has %d bytes, the hub's list says %d", size, t.entry.size))
	case size >= 0 && size != t.entry.size:
		failure := t.client.newError(NotHub, t.about, fmt.Sprintf("%d bytes arrive instead of %d", size, t.entry.size))
		failure.retry = true
		return failure
	}
	return nil
}

// copy stores the body as bytes [offset, end) of the file, without touching what is already there: the verifier may have
// hashed it. A body that ends early is no error here; the caller counts.
func (t *transfer) copy(body io.Reader, offset, end int64) error {
	buffer := make([]byte, copyBytes)
	for offset < end {
		_, pieceEnd := t.pieces.bounds(int(offset / t.pieces.piece))
		n, err := io.ReadFull(body, buffer[:min(int64(len(buffer)), min(pieceEnd, end)-offset)])
		if storeErr := t.keep(buffer[:n], offset); storeErr != nil {
			return t.client.storageError(t.about, storeErr)
		}
		offset += int64(n)
		if errors.Is(err, io.EOF) || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	_, _ = body.Read(buffer[:1]) // sees the end, which frees the connection for the next piece; all is here in any case
	return nil
}

func (t *transfer) keep(data []byte, offset int64) error {
	index := int(offset / t.pieces.piece)
	start, _ := t.pieces.bounds(index)
	known := max(0, min(start+t.pieces.arrived(index)-offset, int64(len(data))))
	data, offset = data[known:], offset+known
	if len(data) == 0 {
		return nil
	}
	if _, err := t.to.WriteAt(data, offset); err != nil {
		return err
	}
	news, err := t.pieces.add(offset, offset+int64(len(data)))
	t.client.config.Progress.Received(t.about.repo+"/"+t.about.path, news)
	return err
}
