package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// counted is a residency of numbers that counts its loads and drops.
type counted struct {
	*residency[int]
	loads, drops atomic.Int32
	wait         chan struct{} // closed when loads may finish; nil for at once
}

func newCounted(limit int) *counted {
	c := &counted{}
	load := func(ctx context.Context, id string) (int, error) {
		c.loads.Add(1)
		if c.wait != nil {
			select {
			case <-c.wait:
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		return strconv.Atoi(id)
	}
	c.residency = newResidency(context.Background(), limit, load, func(int) { c.drops.Add(1) }, func(int) int64 { return 10 })
	return c
}

func (c *counted) use(t *testing.T, id int) {
	t.Helper()
	value, release, err := c.acquire(t.Context(), strconv.Itoa(id))
	if err != nil || value != id {
		t.Fatalf("acquire %d: %d, %v", id, value, err)
	}
	release()
	release() // twice is once
}

func TestResidencyEvictsTheLeastRecentlyUsed(t *testing.T) {
	for _, test := range []struct {
		accesses []int
		left     []string // oldest first
	}{
		{[]int{0, 1, 2}, []string{"0", "1", "2"}},
		{[]int{0, 1, 2, 3}, []string{"1", "2", "3"}},
		{[]int{0, 1, 2, 1}, []string{"0", "2", "1"}},
		{[]int{0, 1, 2, 0, 2}, []string{"1", "0", "2"}},
		{[]int{0, 1, 2, 3, 1, 4, 0, 2, 1, 3}, []string{"2", "1", "3"}},
	} {
		c := newCounted(3)
		for _, id := range test.accesses {
			c.use(t, id)
		}
		if !slices.Equal(c.order, test.left) {
			t.Errorf("after %v: %v, want %v", test.accesses, c.order, test.left)
		}
		if s := c.statistics(); s.ResidentCount != int64(len(test.left)) || s.ResidentBytes != 10*s.ResidentCount ||
			s.Hits+s.Misses != int64(len(test.accesses)) || int64(c.drops.Load()) != s.Evictions {
			t.Errorf("after %v: statistics %+v, %d dropped", test.accesses, s, c.drops.Load())
		}
	}
}

func TestResidencyKeepsWhatIsInUse(t *testing.T) {
	c := newCounted(1)
	_, releaseFirst, err := c.acquire(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	_, releaseSecond, err := c.acquire(t.Context(), "2")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.order, []string{"1", "2"}) {
		t.Errorf("held values were evicted: %v", c.order)
	}
	releaseFirst()
	if !slices.Equal(c.order, []string{"2"}) {
		t.Errorf("after a release: %v, want only 2", c.order)
	}
	releaseSecond()
	c.close()
	if c.drops.Load() != 2 {
		t.Errorf("%d dropped, want 2", c.drops.Load())
	}
}

func TestResidencyLoadsOnceForMany(t *testing.T) {
	c := newCounted(4)
	c.wait = make(chan struct{})
	var everyone sync.WaitGroup
	for range 8 {
		everyone.Go(func() { c.use(t, 7) })
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.acquire(impatient, "7"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request got %v", err)
	}
	close(c.wait)
	everyone.Wait()
	if c.loads.Load() != 1 {
		t.Errorf("%d loads, want 1", c.loads.Load())
	}
	if users := c.resident["7"].users; users != 0 {
		t.Errorf("%d users left", users)
	}
}

func TestResidencyForgetsFailures(t *testing.T) {
	c := newCounted(1)
	if _, _, err := c.acquire(t.Context(), "word"); err == nil {
		t.Error("no error for a load that failed")
	}
	if _, _, err := c.acquire(t.Context(), "word"); err == nil || c.loads.Load() != 2 {
		t.Error("a failed load was not tried again")
	}
	c.use(t, 3)
}
