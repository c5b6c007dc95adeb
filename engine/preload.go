package engine

import (
	"context"
	"os"
	"runtime/debug"
	"time"

	"npinf/hub"
)

const (
	// quietTime is how long nobody must have asked for anything before work in the background
	// begins: those who wait for a server to become ready ask as soon as it is.
	quietTime = 200 * time.Millisecond
	// patience is how long such work waits for that at most, so that a server that is never
	// idle gets its sources as well.
	patience = 2 * time.Second
	// garbagePercent is how much garbage there may be beside what is alive in the Go heap, where
	// neither weights nor large buffers are; GOGC, when it is set, counts instead.
	garbagePercent = 50
)

// settle does after a load what the first answer needs not: it gives back what the load left,
// lets less garbage gather from now on, and makes the first sources resident, so that requests need not wait for them.
func (e *Engine) settle(w *world) {
	c := &calm{e: e, seen: -1}
	c.wait(w.sources.life)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	debug.FreeOSMemory() // files that were read to be converted are as large as the weights
	if e.config.Preload {
		e.preload(w, c)
	}
}

// preload loads sources one by one while nobody asks for anything. A request that wants one
// loads it itself, whatever is left to do here. Errors are for the log: the source may never
// be asked for.
func (e *Engine) preload(w *world, c *calm) {
	life, count, largest := w.sources.life, 0, int64(0)
	for _, id := range w.catalogue.first(e.config.MaxLoadedSAEs) {
		if c.wait(life); life.Err() != nil {
			return
		}
		if !e.hasRoom(largest) {
			e.config.Logger.Warn("memory is short: the other sources are loaded when a request names them", "loaded", count,
				"available", hub.BytesText(AvailableMemory()))
			return
		}
		resident, release, err := w.sources.acquire(life, id)
		if err != nil {
			e.config.Logger.Warn("a source cannot be loaded", "source", id, "because", err)
			continue
		}
		largest = max(largest, resident.source.Bytes())
		release()
		count++
	}
	e.config.Logger.Info("sources are loaded", "count", count)
}

// hasRoom reports whether memory for so many bytes and a cache for sequences is available, as
// far as that can be told and the operator wants it checked.
func (e *Engine) hasRoom(bytes int64) bool {
	available := AvailableMemory()
	return e.config.MemoryBytes < 0 || available == 0 || available >= bytes+leastCacheBytes
}

// calm tells when requests leave the processors to others.
type calm struct {
	e    *Engine
	seen int64 // requests that had come when nobody was inside
}

// wait returns when nobody is inside and nobody came since the last wait, else after a while
// without requests, and in any case when patience or ctx ends.
func (c *calm) wait(ctx context.Context) {
	for begun := time.Now(); time.Since(begun) < patience; {
		came := c.e.admission.entered.Load() + c.e.generations.entered.Load()
		inside := len(c.e.admission.slots) + len(c.e.generations.slots)
		if inside == 0 && came == c.seen {
			return
		}
		c.seen = came
		if inside > 0 {
			c.seen = -1 // who leaves may come back at once
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(quietTime):
		}
	}
}
