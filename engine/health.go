package engine

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Health is what generation is doing just now, and what the process takes.
type Health struct {
	Time             time.Time
	Model            string
	Ready            bool
	Running, Waiting int // requests that generate, and that wait to begin
	CachePercent     float64
	// Memory in bytes, 0 where the system does not tell.
	SystemUsed, SystemTotal, ProcessMemory int64
	Threads                                []string // names of the threads of the process
	Tasks                                  int      // goroutines
}

// Health never blocks and never fails.
func (e *Engine) Health() Health {
	h := Health{Time: time.Now(), Model: e.modelName(), Tasks: runtime.NumGoroutine()}
	inside := len(e.generations.slots)
	h.Running, h.Waiting = inside, len(e.generations.queue)-inside
	if w := e.world.Load(); w != nil {
		used, total, waiting := w.scheduler.memory.state()
		h.Ready, h.CachePercent = true, 100*float64(used)/float64(total)
		h.Running, h.Waiting = h.Running-waiting, h.Waiting+waiting
	}
	h.Running, h.Waiting = max(h.Running, 0), max(h.Waiting, 0) // the counters are read one after the other
	h.SystemTotal = memoryLine("/proc/meminfo", "MemTotal:") * 1024
	if h.SystemTotal > 0 {
		h.SystemUsed = h.SystemTotal - memoryLine("/proc/meminfo", "MemAvailable:")*1024
	}
	h.ProcessMemory = memoryLine("/proc/self/status", "VmRSS:") * 1024
	h.Threads = threadNames()
	return h
}

func threadNames() []string {
	names := []string{}
	files, _ := filepath.Glob("/proc/self/task/*/comm") // the pattern is well-formed
	for _, file := range files {
		if name, err := os.ReadFile(file); err == nil { // a thread may have ended
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names
}
