package engine

import (
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"npinf/hub"
)

// crowd is an engine on a random model of 512 positions. From a step on, steps wait until so
// many sequences have come as it expects.
type crowd struct {
	*Engine
	t              testing.TB
	world          *world
	expected, from atomic.Int64
	counting       *countingDevice
}

func newCrowd(t testing.TB) *crowd {
	config, counting := tinyConfig(t)
	c := &crowd{t: t, counting: counting}
	device := &watchingDevice{Device: counting}
	device.during = func() {
		if c.world == nil || c.world.scheduler.steps.Load() < c.from.Load() {
			return
		}
		for c.world.scheduler.active.Load() < c.expected.Load() {
			time.Sleep(100 * time.Microsecond)
		}
		c.expected.Store(0)
	}
	files, err := hub.OpenFS("random", randomModel(tinyWidth, 2, tinyLayers, 512))
	if err != nil {
		t.Fatal(err)
	}
	config.Demo, config.Device, config.TokenLimit, config.MaxGenerations = files, device, 512, 64
	c.Engine = loadTiny(t, config)
	c.world = c.Engine.world.Load()
	c.world.stops = map[int]bool{}
	return c
}

// ask answers all requests, which come at the same moment, and tells how many rows were computed.
func (c *crowd) ask(sequences int, requests ...SteerRequest) (frames []SteerFrame, rows int) {
	c.t.Helper()
	before := c.world.scheduler.rows.Load()
	c.expected.Store(int64(sequences))
	frames = make([]SteerFrame, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() {
			var err error
			if frames[i], err = c.SteerCompletion(c.t.Context(), r, nil); err != nil {
				c.t.Error(err)
			}
		})
	}
	all.Wait()
	return frames, int(c.world.scheduler.rows.Load() - before)
}

// preamble has as many tokens as it says, the BOS included.
func preamble(tokens int) string { return strings.Repeat("Be kind. ", tokens)[:tokens-1] }

// plain asks for an unsteered continuation with the probability of every token.
func plain(prompt string, tokens, seed int) SteerRequest {
	return SteerRequest{Prompt: prompt, Steering: Steering{Method: SimpleAdditive, Types: []SteerType{Unsteered}, Vectors: []SteerVector{},
		Tokens: tokens, Temperature: float64(seed % 3), Seed: float64(seed), Logprobs: 2}}
}

// sameAnswer compares texts, and the probability behind the prompt to the bit.
func sameAnswer(t *testing.T, got, want SteerFrame) {
	t.Helper()
	sameTexts(t, got, want)
	for i := range want.Outputs {
		if g, w := got.Outputs[i].Logprobs, want.Outputs[i].Logprobs; !reflect.DeepEqual(g[:1], w[:1]) {
			t.Errorf("behind the prompt: %v, want %v", g[0], w[0])
		}
	}
}

// sameTexts is for those who read other rows beside others than alone, which may take other kernels.
func sameTexts(t *testing.T, got, want SteerFrame) {
	t.Helper()
	for i := range want.Outputs {
		if g, w := got.Outputs[i].Text, want.Outputs[i].Text; g != w {
			t.Errorf("got %q, want %q", g, w)
		}
	}
}
