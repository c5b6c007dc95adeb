package engine

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"npinf/kernels"
)

// largestBuffer is a device that remembers the most elements of a buffer that was asked for.
type largestBuffer struct {
	kernels.Device
	elements atomic.Int64
}

func (d *largestBuffer) NewBuffer(rows, width int) kernels.Buffer {
	if size := int64(rows * width); size > d.elements.Load() {
		d.elements.Store(size)
	}
	return d.Device.NewBuffer(rows, width)
}

// TestFeaturesOfAllTokensAreNeverHeld: neither a buffer of the device nor what the Go heap gives
// out while a request is answered reaches [tokens, features] of one source.
func TestFeaturesOfAllTokensAreNeverHeld(t *testing.T) {
	const features, tokens = 8192, 60
	config, counting := tinyConfig(t)
	device := &largestBuffer{Device: counting}
	config.Device = device
	config.DemoSources = []LocalSource{wideSAE(t, "0-res", "blocks.0.hook_resid_post", 1, features, nil), wideSAE(t, "1-res", "blocks.1.hook_resid_post", 2, features, nil)}
	e := loadTiny(t, config)
	ask := func() {
		answer, err := e.ActivationAll(t.Context(), AllRequest{Prompts: []string{strings.Repeat("a", tokens-1)}, SourceSet: "res", Results: 25})
		if err != nil || len(answer) != 1 || len(answer[0].Features) != 25 {
			t.Fatalf("%d answers, %v", len(answer), err)
		}
	}
	ask() // the sources are loaded now
	device.elements.Store(0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ask()
	runtime.ReadMemStats(&after)
	given := after.TotalAlloc - before.TotalAlloc
	t.Logf("the largest buffer has %d elements, %d bytes of the heap were given out; a matrix of %d elements would be", device.elements.Load(), given, features*tokens)
	if device.elements.Load() == 0 || device.elements.Load() >= features*tokens || given >= 4*features*tokens {
		t.Error("a request holds the features of all tokens")
	}
}
