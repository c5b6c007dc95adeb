package engine

import (
	"context"
	"slices"
	"sync"
	"time"
)

// memory hands out a budget of bytes in the order of asking. A claim larger than the whole
// budget waits until nobody else holds any.
type memory struct {
	total int64

	mu   sync.Mutex
	free int64
	line []*claim
}

type claim struct {
	bytes   int64
	granted chan struct{}
}

func newMemory(total int64) *memory { return &memory{total: total, free: total} }

// claim waits for so many bytes, at most for timeout when that is not 0. release gives them
// back.
func (m *memory) claim(ctx context.Context, bytes int64, timeout time.Duration) (release func(), err error) {
	c := &claim{bytes: min(bytes, m.total), granted: make(chan struct{})}
	m.mu.Lock()
	m.line = append(m.line, c)
	m.grant()
	m.mu.Unlock()
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-c.granted:
		return sync.OnceFunc(func() { m.giveBack(c.bytes) }), nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-expired:
		err = unavailable("Request timed out waiting for memory")
	}
	m.leave(c)
	return nil, err
}

// wait is claim without a limit of time.
func (m *memory) wait(ctx context.Context, bytes int64) (release func(), err error) {
	return m.claim(ctx, bytes, noTimeout)
}

// grant serves the line as far as the memory goes. The lock is held.
func (m *memory) grant() {
	for len(m.line) > 0 && m.line[0].bytes <= m.free {
		m.free -= m.line[0].bytes
		close(m.line[0].granted)
		m.line = m.line[1:]
	}
}

func (m *memory) giveBack(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += bytes
	m.grant()
}

// leave takes a claim out of the line, or gives back what it was granted just now.
func (m *memory) leave(c *claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := slices.Index(m.line, c); at >= 0 {
		m.line = slices.Delete(m.line, at, at+1)
	} else {
		m.free += c.bytes
	}
	m.grant()
}

// state tells how much is taken and how many wait.
func (m *memory) state() (used, total int64, waiting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total - m.free, m.total, len(m.line)
}
