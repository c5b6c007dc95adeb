package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestCalm: work in the background waits for a stretch without requests, goes on at once when
// none came since, and does not wait for ever.
func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{})
		c := &calm{e: e, seen: -1}
		waited := func() time.Duration {
			begun := time.Now()
			c.wait(t.Context())
			return time.Since(begun)
		}
		ask := func(takes time.Duration) {
			leave, err := e.generations.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(takes, leave)
		}
		if took := waited(); took != quietTime {
			t.Errorf("waited %v after the load, want %v", took, quietTime)
		}
		if took := waited(); took != 0 {
			t.Errorf("waited %v though nobody came", took)
		}
		ask(0)
		time.Sleep(time.Millisecond)
		if took := waited(); took != quietTime {
			t.Errorf("waited %v after a request, want %v", took, quietTime)
		}
		ask(quietTime * 3 / 2)
		if took := waited(); took != 3*quietTime {
			t.Errorf("waited %v during a request and after it, want %v", took, 3*quietTime)
		}
		ask(time.Hour)
		if took := waited(); took != patience {
			t.Errorf("waited %v beside a long request, want %v", took, patience)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun := time.Now()
		if c.wait(ctx); time.Since(begun) != time.Millisecond {
			t.Errorf("waited %v, though the life ended after a millisecond", time.Since(begun))
		}
	})
}

// TestPreloadYields: while a request is inside, no source is loaded but the one it wants.
func TestPreloadYields(t *testing.T) {
	config, _ := tinyConfig(t)
	config.Preload = true
	e := New(config)
	leave, err := e.admission.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	defer leave()
	if _, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{"abc"}, Source: pointer("1-res"), Index: pointer("2")}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * quietTime)
	if resident := e.world.Load().sources.residents(); len(resident) != 1 || resident[0] != "1-res" {
		t.Errorf("%v are resident while a request is inside", resident)
	}
}

// TestHasRoom: sources are not loaded into the last of the memory, unless the operator says that
// it is not to be looked at.
func TestHasRoom(t *testing.T) {
	if AvailableMemory() == 0 {
		t.Skip("this system does not tell how much memory is available")
	}
	const tooMuch = 1 << 60
	for limit, want := range map[int64]bool{0: false, 1 << 40: false, -1: true} {
		if got := New(Config{MemoryBytes: limit}).hasRoom(tooMuch); got != want {
			t.Errorf("with a limit of %d: %v", limit, got)
		}
	}
}
