package kernels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// workerSpin is how long an idle worker looks for work before it parks. The serial
	// steps between two products of a decode take a few microseconds each; waking a
	// parked worker takes longer than a small product.
	workerSpin = 60 * time.Microsecond
	// callerSpin is how long a caller looks for its last chunks before it parks.
	callerSpin = 20 * time.Microsecond
	// checksPerYield is how many looks pass between two offers of the processor to
	// other goroutines.
	checksPerYield = 50
)

// job is one parallel loop. It is never reused: a worker that comes late holds an old
// job whose tickets have run out, and can do no harm.
type job struct {
	run      func(chunk int)
	chunks   int64
	next     atomic.Int64 // the next ticket
	done     atomic.Int64 // finished chunks
	finished chan struct{}
	panicked atomic.Pointer[any] // the first panic of a chunk
}

// help runs chunks until none is left.
func (j *job) help() {
	for {
		chunk := j.next.Add(1) - 1
		if chunk >= j.chunks {
			return
		}
		j.runChunk(int(chunk))
		if j.done.Add(1) == j.chunks {
			j.finished <- struct{}{}
		}
	}
}

// runChunk runs one chunk. A panic is kept for the caller: on a worker it would end the
// process, and on the caller it would leave the job open.
func (j *job) runChunk(chunk int) {
	defer func() {
		if r := recover(); r != nil {
			j.panicked.CompareAndSwap(nil, &r)
		}
	}()
	j.run(chunk)
}

// pool runs parallel loops on the callers' goroutines and on idle workers. A caller
// always works on its own loop, so that every caller makes progress whatever the
// workers do; it waits for nothing but chunks that a worker has begun.
type pool struct {
	threads int
	slots   []atomic.Pointer[job] // open jobs; a job that finds no slot runs alone
	idle    atomic.Int64          // parked workers
	wake    chan struct{}
	closed  atomic.Bool
	workers sync.WaitGroup
}

// newPool starts threads-1 workers; the caller of a loop is the last thread.
func newPool(threads int) *pool {
	p := &pool{threads: threads, slots: make([]atomic.Pointer[job], 2*threads), wake: make(chan struct{}, threads)}
	for range threads - 1 {
		p.workers.Go(p.work)
	}
	return p
}

// close ends the workers and waits for them. Loops still run afterwards, on their callers.
func (p *pool) close() {
	if p.closed.Swap(true) {
		return
	}
	close(p.wake)
	p.workers.Wait()
}

// each calls run(0) … run(chunks-1), each once, and returns when all have returned. It
// panics when one of them did.
func (p *pool) each(chunks int, run func(chunk int)) {
	slot := -1
	var j *job
	if chunks > 1 && p.threads > 1 && !p.closed.Load() {
		j = &job{run: run, chunks: int64(chunks), finished: make(chan struct{}, 1)}
		slot = p.publish(j)
	}
	if slot < 0 {
		for i := range chunks {
			run(i)
		}
		return
	}
	j.help()
	p.slots[slot].Store(nil)
	j.wait()
	if r := j.panicked.Load(); r != nil {
		panic(*r)
	}
}

// split cuts n units into runs of at most grain and calls run(lo, hi) for each.
func (p *pool) split(n, grain int, run func(lo, hi int)) {
	grain = max(grain, 1)
	p.each((n+grain-1)/grain, func(chunk int) {
		run(chunk*grain, min(n, (chunk+1)*grain))
	})
}

// publish puts j where workers look and wakes the parked ones it can use.
func (p *pool) publish(j *job) int {
	for i := range p.slots {
		if !p.slots[i].CompareAndSwap(nil, j) {
			continue
		}
		for range min(p.idle.Load(), j.chunks-1) {
			p.signal()
		}
		return i
	}
	return -1
}

// signal wakes one worker. Closing the pool while a loop starts is a defect of the caller.
func (p *pool) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// wait returns when every chunk is finished: a short spin, then a park.
func (j *job) wait() {
	spin(callerSpin, func() bool { return j.done.Load() == j.chunks })
	<-j.finished
}

// work is a worker's life: look for a job, help, spin a little, park.
func (p *pool) work() {
	for {
		if spin(workerSpin, p.helpAny) {
			continue
		}
		p.idle.Add(1)
		// A job published between the last look and the line above saw no idle worker.
		if p.helpAny() {
			p.idle.Add(-1)
			continue
		}
		_, open := <-p.wake
		p.idle.Add(-1)
		if !open {
			return
		}
	}
}

// helpAny works on the first open job and reports whether there was one.
func (p *pool) helpAny() bool {
	for i := range p.slots {
		if j := p.slots[i].Load(); j != nil && j.next.Load() < j.chunks {
			j.help()
			return true
		}
	}
	return false
}

// spin calls ready until it returns true or the time is over, and returns its last result.
// It yields the processor now and then, so that other goroutines are not kept waiting.
func spin(limit time.Duration, ready func() bool) bool {
	start := time.Now()
	for {
		for range checksPerYield {
			if ready() {
				return true
			}
		}
		if time.Since(start) > limit {
			return false
		}
		runtime.Gosched()
	}
}
