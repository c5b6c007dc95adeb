package engine

import (
	"context"
	"errors"
	"testing"
	"time"
)

func codeOf(t *testing.T, err error) Code {
	t.Helper()
	var known *Error
	if !errors.As(err, &known) {
		t.Fatalf("no engine error: %v", err)
	}
	return known.Code
}

func TestAdmissionBoundsSlotsAndQueue(t *testing.T) {
	a := newAdmission(1, 1, 20*time.Millisecond)
	leave, err := a.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := a.enter(context.Background())
		waiting <- err
	}()
	for len(a.queue) < 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := a.enter(t.Context()); codeOf(t, err) != Unavailable || err.(*Error).RetryAfter <= 0 {
		t.Errorf("a full queue took a request: %v", err)
	}
	if err := <-waiting; codeOf(t, err) != Unavailable || err.Error() != "Request timed out waiting for a slot" {
		t.Errorf("after the timeout: %v", err)
	}
	leave()
	if leave, err = a.enter(t.Context()); err != nil {
		t.Fatalf("a free slot was refused: %v", err)
	}
	leave()
	if len(a.queue) != 0 || len(a.slots) != 0 {
		t.Errorf("%d queued and %d inside after all left", len(a.queue), len(a.slots))
	}
}

func TestAdmissionForgetsTheCancelled(t *testing.T) {
	a := newAdmission(1, 1, 0)
	leave, _ := a.enter(t.Context())
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(a.queue) != 1 {
		t.Errorf("%d in the queue, want 1", len(a.queue))
	}
}

func TestAdmissionClosesGracefully(t *testing.T) {
	a := newAdmission(2, 2, 0)
	leave, _ := a.enter(t.Context())
	closed := make(chan struct{})
	go func() { a.close(); close(closed) }()
	<-a.closing
	if _, err := a.enter(t.Context()); codeOf(t, err) != Unavailable {
		t.Errorf("a closing engine took a request: %v", err)
	}
	select {
	case <-closed:
		t.Error("closed while a request was inside")
	default:
	}
	leave()
	<-closed
}

func TestAdmissionDrainHoldsNewcomersBack(t *testing.T) {
	a := newAdmission(2, 2, 0)
	resume, err := a.drain(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	go func() {
		if leave, err := a.enter(context.Background()); err == nil {
			leave()
		}
		close(entered)
	}()
	select {
	case <-entered:
		t.Error("entered while drained")
	case <-time.After(10 * time.Millisecond):
	}
	resume()
	<-entered
	leave, _ := a.enter(t.Context())
	defer leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 8 { // a cancelled drain gives back every slot it took
		if resume, err := a.drain(ctx); err == nil {
			resume()
			t.Fatal("drained while a request was inside")
		}
	}
	if len(a.slots) != 1 {
		t.Errorf("%d slots taken after cancelled drains, want 1", len(a.slots))
	}
}
