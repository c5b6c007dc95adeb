package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// admission lets a bounded number of requests compute at the same time and a bounded number
// wait. It closes gracefully: those inside finish, those outside are refused.
type admission struct {
	slots   chan struct{} // holds one value per request inside
	queue   chan struct{} // holds one value per request inside or waiting
	drainer chan struct{} // holds one value while somebody takes all slots: two would block each other
	timeout time.Duration // 0 waits for ever
	closing chan struct{}
	once    sync.Once
	beside  *admission   // drained and closed together with this one; nil for none
	entered atomic.Int64 // how many were let in or into the queue so far
}

func newAdmission(slots, queue int, timeout time.Duration) *admission {
	return &admission{slots: make(chan struct{}, slots), queue: make(chan struct{}, slots+queue),
		drainer: make(chan struct{}, 1), timeout: timeout, closing: make(chan struct{})}
}

func unavailable(message string) *Error {
	return &Error{Code: Unavailable, Message: message, RetryAfter: retryAfter}
}

// enter waits for a slot. leave gives it back.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.queue <- struct{}{}:
		a.entered.Add(1)
	default:
		return nil, unavailable("Too many requests are waiting; try again later")
	}
	var expired <-chan time.Time
	if a.timeout > 0 {
		timer := time.NewTimer(a.timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-a.closing: // checked first: a closed engine takes nobody although slots are free
		err = unavailable("The server is shutting down")
	default:
		select {
		case a.slots <- struct{}{}:
			return func() { <-a.slots; <-a.queue }, nil
		case <-ctx.Done():
			err = ctx.Err()
		case <-expired:
			err = unavailable("Request timed out waiting for a slot")
		case <-a.closing:
			err = unavailable("The server is shutting down")
		}
	}
	<-a.queue
	return nil, err
}

// full reports whether a newcomer would have to wait.
func (a *admission) full() bool { return len(a.slots) == cap(a.slots) || len(a.queue) > len(a.slots) }

// drain takes all slots, waiting for the requests inside; new ones queue up until resume.
func (a *admission) drain(ctx context.Context) (resume func(), err error) {
	select {
	case a.drainer <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for taken := range cap(a.slots) {
		select {
		case a.slots <- struct{}{}:
		case <-ctx.Done():
			a.giveBack(taken)
			return nil, ctx.Err()
		}
	}
	if a.beside == nil {
		return func() { a.giveBack(cap(a.slots)) }, nil
	}
	resumeBeside, err := a.beside.drain(ctx)
	if err != nil {
		a.giveBack(cap(a.slots))
		return nil, err
	}
	return func() { resumeBeside(); a.giveBack(cap(a.slots)) }, nil
}

// giveBack ends a drain that holds so many slots.
func (a *admission) giveBack(slots int) {
	for range slots {
		<-a.slots
	}
	<-a.drainer
}

// close refuses newcomers and waits for those inside. The slots are taken for good.
func (a *admission) close() {
	a.once.Do(func() {
		close(a.closing)
		if a.beside != nil {
			close(a.beside.closing)
		}
		_, _ = a.drain(context.Background())
	})
}
