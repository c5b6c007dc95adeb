package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"npinf/kernels"
	"npinf/model"
)

// TestEqualPromptsAreReadOnce: of clients with one prompt, one reads it, and each gets what it
// gets alone.
func TestEqualPromptsAreReadOnce(t *testing.T) {
	c := newCrowd(t)
	for _, length := range []int{1, 40, 128, 200, 300} {
		for _, clients := range []int{2, 5, 16} {
			for _, tokens := range []int{1, 12} {
				var requests []SteerRequest
				var alone []SteerFrame
				for seed := range clients {
					requests = append(requests, plain(preamble(length), tokens, seed))
					frames, rows := c.ask(1, requests[seed])
					if alone = append(alone, frames...); rows != length+tokens-1 {
						t.Errorf("alone: %d rows", rows)
					}
				}
				got, rows := c.ask(clients, requests...)
				if want := length + clients*(tokens-1); rows != want {
					t.Errorf("%d prompts of %d tokens, %d more: %d rows, want %d", clients, length, tokens, rows, want)
				}
				for i := range got {
					sameAnswer(t, got[i], alone[i])
				}
			}
		}
	}
}

// TestCommonBeginningIsReadOnce: prompts that begin alike share the pieces that are whole for
// all of them.
func TestCommonBeginningIsReadOnce(t *testing.T) {
	c := newCrowd(t)
	const clients, tokens, own = 8, 5, 9
	for length, shared := range map[int]int{100: 0, 128: 128, 200: 128, 256: 256, 300: 256} {
		var requests []SteerRequest
		var alone []SteerFrame
		for i := range clients {
			requests = append(requests, plain(preamble(length)+strings.Repeat(string(rune('A'+i)), own), tokens, i))
			frames, _ := c.ask(1, requests[i])
			alone = append(alone, frames...)
		}
		got, rows := c.ask(clients, requests...)
		if want := shared + clients*(length-shared+own+tokens-1); rows != want {
			t.Errorf("a beginning of %d: %d rows, want %d", length, rows, want)
		}
		for i := range got {
			sameTexts(t, got[i], alone[i])
		}
	}
}

// TestOnlyAlikeShare: what is steered differently, or not at all, is read apart.
func TestOnlyAlikeShare(t *testing.T) {
	c := newCrowd(t)
	steered := func(change func(*Steering)) SteerRequest {
		r := plain(preamble(40), 3, 0)
		r.Types, r.Multiplier = []SteerType{Steered, Unsteered}, 1
		r.Features, r.Vectors = []SteerFeature{{Source: "1-res", Index: "2", Strength: 30}}, nil
		change(&r.Steering)
		return r
	}
	for name, x := range map[string]struct {
		change  func(*Steering)
		prompts int
	}{
		"alike":     {func(s *Steering) {}, 2},
		"sampled":   {func(s *Steering) { s.Temperature, s.Seed, s.Logprobs = 2, 9, 0 }, 2},
		"strength":  {func(s *Steering) { s.Features[0].Strength = 29 }, 3},
		"factor":    {func(s *Steering) { s.Multiplier = 2 }, 3},
		"feature":   {func(s *Steering) { s.Features[0].Index = "3" }, 3},
		"source":    {func(s *Steering) { s.Features[0].Source = "0-res" }, 3},
		"method":    {func(s *Steering) { s.Method = ProjectionCap }, 3},
		"unit":      {func(s *Steering) { s.Normalize = true }, 3},
		"one more":  {func(s *Steering) { s.Features = append(s.Features, s.Features[0]) }, 3},
		"unchanged": {func(s *Steering) { s.Features = []SteerFeature{} }, 2},
	} {
		one, other := steered(func(*Steering) {}), steered(x.change)
		first, rows := c.ask(2, one)
		if want := 2*40 + 2*2; rows != want {
			t.Errorf("alone: %d rows, want %d", rows, want)
		}
		second, _ := c.ask(2, other)
		got, rows := c.ask(4, one, other)
		if want := x.prompts*40 + 4*2; rows != want {
			t.Errorf("%s: %d rows, want %d", name, rows, want)
		}
		sameTexts(t, got[0], first[0])
		sameTexts(t, got[1], second[0])
	}
}

// TestLateComerShares: who comes while another one generates takes over what it has read.
func TestLateComerShares(t *testing.T) {
	c := newCrowd(t)
	late := plain(preamble(150), 4, 1)
	alone, _ := c.ask(1, late)
	before := c.world.scheduler.rows.Load()
	c.from.Store(c.world.scheduler.steps.Load() + 3) // two read the prompt
	c.expected.Store(2)
	var once sync.Once
	_, err := c.SteerCompletion(t.Context(), plain(preamble(150), 100, 0), func(SteerFrame) error {
		once.Do(func() {
			got, err := c.SteerCompletion(t.Context(), late, nil)
			if err != nil {
				t.Error(err)
			}
			sameAnswer(t, got, alone[0])
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows := c.world.scheduler.rows.Load() - before; rows != 150+99+3 {
		t.Errorf("%d rows, want those of one prompt", rows)
	}
}

// TestReaderLeaves: those who waited for a sequence go on when it ends before it has read.
func TestReaderLeaves(t *testing.T) {
	c := newCrowd(t)
	alone, _ := c.ask(1, plain(preamble(300), 8, 4))
	for range 20 {
		buffers := c.counting.outstanding.Load()
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		c.expected.Store(6)
		for i := range 6 {
			own := ctx
			if i >= 3 {
				own = t.Context()
			}
			all.Go(func() {
				got, err := c.SteerCompletion(own, plain(preamble(300), 8, 4), nil)
				if err != nil && own.Err() == nil {
					t.Error(err)
				}
				if err == nil {
					sameAnswer(t, got, alone[0])
				}
			})
		}
		time.Sleep(time.Duration(buffers%7) * 200 * time.Microsecond)
		leave()
		c.expected.Store(0)
		all.Wait()
		if left := c.counting.outstanding.Load() - buffers; left != 0 {
			t.Fatalf("%d buffers were not given back", left)
		}
	}
}

// TestSharingUnderLoad mixes few prompts, steerings and callers who leave; everybody who stays
// gets what he gets alone.
func TestSharingUnderLoad(t *testing.T) {
	c := newCrowd(t)
	request := func(i int) SteerRequest {
		r := plain(preamble(20+130*(i%3))+fmt.Sprint(i%2), 6, i%4)
		r.Types, r.Features, r.Vectors = []SteerType{Steered, Unsteered}, []SteerFeature{{Source: "1-res", Index: "2", Strength: float64(i % 2)}}, nil
		r.Multiplier = 9
		return r
	}
	want := map[int]SteerFrame{}
	for i := range 12 {
		frames, _ := c.ask(2, request(i))
		want[i] = frames[0]
	}
	var all sync.WaitGroup
	for i := range 96 {
		all.Go(func() {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if i%5 == 0 {
				time.AfterFunc(time.Duration(i)*100*time.Microsecond, leave)
			}
			got, err := c.SteerCompletion(ctx, request(i%12), nil)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if err == nil {
				sameTexts(t, got, want[i%12])
			}
		})
	}
	all.Wait()
	if used, _, waiting := c.world.scheduler.memory.state(); used != 0 || waiting != 0 || c.world.scheduler.active.Load() != 0 {
		t.Errorf("%d bytes are taken, %d wait", used, waiting)
	}
}

// TestShared: a prompt that was read in other pieces than anybody alone reads is shared up to
// the first of those.
func TestShared(t *testing.T) {
	c := newCrowd(t)
	tokens := make([]int, 400)
	for _, x := range []struct {
		own, other int // lengths of the prompts
		common     int
		pieces     []int // as the other one was read
		want       int
	}{
		{300, 300, 300, nil, 300},
		{300, 310, 300, nil, 256},
		{257, 310, 257, nil, 256},
		{256, 310, 256, nil, 128},
		{300, 256, 256, nil, 256},
		{300, 255, 255, nil, 128},
		{300, 310, 200, nil, 128},
		{300, 310, 127, nil, 0},
		{300, 310, 300, []int{128}, 256},
		{300, 310, 300, []int{128, 128}, 256},
		{300, 310, 300, []int{128, 20}, 128},
		{300, 310, 300, []int{20, 128}, 0},
		{300, 310, 300, []int{128, 128, 54, 1}, 256},
		{300, 300, 300, []int{20, 128, 128}, 300},
	} {
		own, other := &task{cache: c.world.model.NewCache(0)}, &task{cache: c.world.model.NewCache(0)}
		own.prompt = append(append([]int{}, tokens[:x.common]...), slices.Repeat([]int{1}, x.own-x.common)...)
		other.prompt = append(append([]int{}, tokens[:x.common]...), slices.Repeat([]int{2}, x.other-x.common)...)
		for _, count := range x.pieces {
			if err := c.world.model.Forward(t.Context(), []*model.Sequence{{Tokens: tokens[:count], Cache: other.cache}}); err != nil {
				t.Fatal(err)
			}
			other.took(count, kernels.Buffer{}, other.cache.Len())
		}
		if got := shared(own, other); got != x.want {
			t.Errorf("%+v: shares %d", x, got)
		}
		other.cache.Release()
	}
}
