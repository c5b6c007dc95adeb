package engine

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"npinf/hub"
)

// TestClientsKeepPace: sixteen clients with prompts from one letter to a hundred begin at
// once. When the first has received half of its tokens, nobody has received less than half of
// what another has.
func TestClientsKeepPace(t *testing.T) {
	const clients, tokens = 16, 60
	config, counting := tinyConfig(t)
	device := &watchingDevice{Device: counting}
	files, err := hub.OpenFS("random", randomModel(tinyWidth, 2, tinyLayers, 256))
	if err != nil {
		t.Fatal(err)
	}
	config.Demo, config.Device, config.DemoSources = files, device, nil
	config.TokenLimit, config.MaxGenerations = 256, clients
	e := loadTiny(t, config)
	w := e.world.Load()
	w.stops = map[int]bool{}
	var come atomic.Bool
	device.during = func() {
		for !come.Load() && w.scheduler.active.Load() < clients { // the first step waits for all
			time.Sleep(time.Millisecond)
		}
		come.Store(true)
		time.Sleep(50 * time.Microsecond) // the pace of a larger model, which readers can follow
	}
	var received [clients]atomic.Int64
	var halfway []int64
	var once sync.Once
	var all sync.WaitGroup
	for i := range clients {
		s := Steering{Method: SimpleAdditive, Types: []SteerType{Unsteered}, Tokens: tokens, Vectors: []SteerVector{}}
		r := SteerRequest{Prompt: strings.Repeat("a", 1+i*99/(clients-1)), Steering: s}
		all.Go(func() {
			_, err := e.SteerCompletion(t.Context(), r, func(SteerFrame) error {
				if received[i].Add(1) == tokens/2 {
					once.Do(func() {
						for j := range received {
							halfway = append(halfway, received[j].Load())
						}
					})
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	t.Logf("tokens received by each: %v", halfway)
	if len(halfway) != clients || !(2*slices.Min(halfway) >= slices.Max(halfway)) {
		t.Errorf("tokens received by each: %v", halfway)
	}
}
