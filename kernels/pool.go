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

// job is one parallel loop in a slot of the pool, which is used again and again. What
// workers read may change only while users is 0 and open is not set: a worker registers
// as a user first and looks whether the slot is open then.
type job struct {
	taken atomic.Bool  // by a caller
	open  atomic.Bool  // workers may join
	users atomic.Int64 // workers that look at the fields below

	run      func(chunk int)
	chunks   int64
	next     atomic.Int64 // the next ticket
	done     atomic.Int64 // finished chunks
	finished chan struct{}
	panicked atomic.Pointer[any] // the first panic of a chunk

	_ [64]byte // keeps the counters of two slots apart
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
			kept := r // r itself stays on the stack
			j.panicked.CompareAndSwap(nil, &kept)
		}
	}()
	j.run(chunk)
}

// pool runs parallel loops on the callers' goroutines and on idle workers. A caller
// always works on its own loop, so that every caller makes progress whatever the
// workers do; it waits for nothing but chunks that a worker has begun.
type pool struct {
	threads int
	slots   []job        // a loop that finds no free one runs alone
	idle    atomic.Int64 // parked workers
	wake    chan struct{}
	closed  atomic.Bool
	workers sync.WaitGroup
}

// newPool starts threads-1 workers; the caller of a loop is the last thread.
func newPool(threads int) *pool {
	p := &pool{threads: threads, slots: make([]job, 2*threads), wake: make(chan struct{}, threads)}
	for i := range p.slots {
		p.slots[i].finished = make(chan struct{}, 1)
	}
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
	var j *job
	if chunks > 1 && p.threads > 1 && !p.closed.Load() {
		j = p.publish(chunks, run)
	}
	if j == nil {
		for i := range chunks {
			run(i)
		}
		return
	}
	j.help()
	j.open.Store(false)
	j.wait()
	r := j.panicked.Swap(nil)
	j.run = nil
	j.taken.Store(false)
	if r != nil {
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

// publish puts a loop where workers look and wakes the parked ones it can use. It returns
// nil when no slot is free.
func (p *pool) publish(chunks int, run func(chunk int)) *job {
	for i := range p.slots {
		j := &p.slots[i]
		if !j.taken.CompareAndSwap(false, true) {
			continue
		}
		if j.users.Load() != 0 { // a worker that comes late still holds the job before
			j.taken.Store(false)
			continue
		}
		j.run, j.chunks = run, int64(chunks)
		j.next.Store(0)
		j.done.Store(0)
		j.open.Store(true)
		for range min(p.idle.Load(), j.chunks-1) {
			p.signal()
		}
		return j
	}
	return nil
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

// helpAny works on the first open job with chunks left and reports whether there was one.
func (p *pool) helpAny() bool {
	for i := range p.slots {
		j := &p.slots[i]
		if !j.open.Load() {
			continue
		}
		j.users.Add(1)
		some := j.open.Load() && j.next.Load() < j.chunks
		if some {
			j.help()
		}
		j.users.Add(-1)
		if some {
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
