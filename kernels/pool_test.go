package kernels

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/cpu"
)

// Many callers at once: every chunk of every loop runs exactly once.
func TestPoolRunsEveryChunkOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := newPool(threads)
		var callers sync.WaitGroup
		for caller := range 10 {
			callers.Go(func() {
				for round := range 200 {
					counts := make([]atomic.Int32, (caller*7+round)%40)
					p.each(len(counts), func(i int) { counts[i].Add(1) })
					for i := range counts {
						if n := counts[i].Load(); n != 1 {
							t.Errorf("chunk %d ran %d times", i, n)
						}
					}
				}
			})
		}
		callers.Wait()
		p.close()
		p.close()
		ran := 0
		p.each(3, func(int) { ran++ })
		if ran != 3 {
			t.Errorf("a closed pool ran %d of 3 chunks", ran)
		}
	}
}

// A caller whose chunks are done returns although the workers are stuck in another loop.
func TestPoolCallersDoNotWaitForEachOther(t *testing.T) {
	p := newPool(2)
	defer p.close()
	release := make(chan struct{})
	stuck := make(chan struct{}, 2)
	var slow sync.WaitGroup
	slow.Go(func() {
		p.each(2, func(int) { stuck <- struct{}{}; <-release })
	})
	<-stuck
	<-stuck // the slow caller and the only worker both hang now
	done := make(chan struct{})
	go func() {
		for range 100 {
			p.each(4, func(int) {})
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("a loop waited for workers that were busy elsewhere")
	}
	close(release)
	slow.Wait()
}

// A loop inside a loop works on the calling thread and on whoever is idle.
func TestPoolNests(t *testing.T) {
	p := newPool(2)
	defer p.close()
	var n atomic.Int32
	p.each(5, func(int) { p.each(5, func(int) { n.Add(1) }) })
	if n.Load() != 25 {
		t.Errorf("%d of 25 chunks ran", n.Load())
	}
}

// A panic in any chunk reaches the caller, and the pool works on.
func TestPoolHandsPanicsToTheCaller(t *testing.T) {
	p := newPool(2)
	defer p.close()
	for bad := range 8 {
		func() {
			defer func() {
				if r := recover(); r != "bad" {
					t.Errorf("recovered %v", r)
				}
			}()
			p.each(8, func(i int) {
				if i == bad {
					panic("bad")
				}
			})
		}()
	}
	for i := range p.slots {
		if j := &p.slots[i]; j.open.Load() || j.taken.Load() || j.panicked.Load() != nil {
			t.Error("a job was left open")
		}
	}
}

func TestCloseLeavesNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		c, err := NewCPU(CPUOptions{Threads: 4})
		if err != nil {
			t.Fatal(err)
		}
		x := c.NewBuffer(64, 4096)
		c.Activate(x, x, ReLU)
		c.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
		time.Sleep(time.Millisecond)
	}
}

// The fast path must be taken where the processor has it, unless NPINF_CPU says otherwise.
func TestBestPath(t *testing.T) {
	want := "generic"
	if runtime.GOARCH == "amd64" {
		x := cpu.X86
		if x.HasAVX2 && x.HasFMA && x.HasF16C {
			want = "avx2"
			if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
				want = "avx512"
			}
		}
	}
	if got := BestPath(); got != want {
		t.Errorf("the best path is %s, this machine has %s", got, want)
	}
	chosen, err := PathFromEnv(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if chosen == "" {
		chosen = want
	}
	c, err := NewCPU(CPUOptions{Path: chosen})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Path() != chosen || c.Threads() != runtime.GOMAXPROCS(0) || c.Name() != "cpu" {
		t.Errorf("device %s, path %s, %d threads", c.Name(), c.Path(), c.Threads())
	}
}

func TestPathFromEnv(t *testing.T) {
	from := func(value string) (string, error) {
		return PathFromEnv(func(name string) string {
			if name != "NPINF_CPU" {
				t.Errorf("asked for %s", name)
			}
			return value
		})
	}
	for _, name := range pathNames {
		got, err := from(name)
		if HasPath(name) && (err != nil || got != name) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if !HasPath(name) && err == nil {
			t.Errorf("%s was accepted on a machine without it", name)
		}
	}
	if got, err := from(""); got != "" || err != nil {
		t.Errorf("unset: %q, %v", got, err)
	}
	if _, err := from("sse"); err == nil || !strings.Contains(err.Error(), "generic, avx2 or avx512") {
		t.Errorf("an unknown path: %v", err)
	}
	if _, err := NewCPU(CPUOptions{Path: "sse"}); err == nil {
		t.Error("a device on an unknown path")
	}
	if _, err := NewCPU(CPUOptions{Threads: -1}); err == nil {
		t.Error("a device with -1 threads")
	}
}
