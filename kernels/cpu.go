package kernels

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// CPU is the device that computes on the processor, in float32, in Go and assembly.
// Results do not depend on the number of threads.
type CPU struct {
	path     path
	fastBF16 bool
	pool     *pool
	buffers  bufferPool
	scratch  sync.Pool // of *scratch
	tasks    sync.Pool // of *productTask
	readers  sync.Pool // of *attendTask
}

var _ Device = (*CPU)(nil)

// CPUOptions choose how a CPU device computes.
type CPUOptions struct {
	// Path is "generic", "avx2" or "avx512"; empty means the best this machine has.
	Path string
	// Threads is how many threads one operation uses; 0 means GOMAXPROCS.
	Threads int
	// FastBF16 lets Linear round rows to bfloat16 where the weight is bfloat16 and allows it.
	// It needs the path avx512 and a processor with AVX512_BF16.
	FastBF16 bool
}

// NewCPU makes a CPU device. It fails when the machine lacks the path asked for.
// Close it when it is no longer used.
func NewCPU(o CPUOptions) (*CPU, error) {
	p, err := resolvePath(o.Path)
	if err != nil {
		return nil, err
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("%d threads: give a positive number, or 0 for all processors", o.Threads)
	}
	threads := o.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if o.FastBF16 {
		if err := p.pairable(); err != nil {
			return nil, err
		}
	}
	c := &CPU{path: p, fastBF16: o.FastBF16, pool: newPool(threads)}
	c.scratch.New = func() any { return new(scratch) }
	return c, nil
}

// Close ends the device's worker threads. Nothing may be running on it.
func (c *CPU) Close() {
	c.pool.close()
	c.buffers.empty()
}

// Name returns "cpu".
func (c *CPU) Name() string { return "cpu" }

// Path returns "avx512", "avx2" or "generic".
func (c *CPU) Path() string { return pathNames[c.path] }

// FastBF16 reports whether the device rounds rows to bfloat16 where that is allowed.
func (c *CPU) FastBF16() bool { return c.fastBF16 }

// Threads returns how many threads one operation uses.
func (c *CPU) Threads() int { return c.pool.threads }

// scratch is the working memory of one thread. Slices grow to what is asked and stay.
type scratch struct {
	tile    tile      // the finished part of a product
	weights []float32 // widened or gathered weight rows
	panel   []float32 // the queries of a block
	row     []float32 // one row of anything
	maxima  []float32 // the largest product of each output of a tile
}

// grown returns s with at least n elements, contents undefined.
func grown(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	return (*s)[:n]
}

func (c *CPU) takeScratch() *scratch  { return c.scratch.Get().(*scratch) }
func (c *CPU) giveScratch(s *scratch) { c.scratch.Put(s) }

// mustMatch panics with the operation's name when shapes do not fit together.
func mustMatch(ok bool, operation string, shapes ...int) {
	if !ok {
		// The copy keeps the caller's shapes on its stack: nothing is allocated when all is well.
		panic(fmt.Sprintf("kernels: %s: shapes do not match: %v", operation, slices.Clone(shapes)))
	}
}

// sameShape reports whether two buffers have the same rows and width.
func sameShape(a, b Buffer) bool { return a.Rows == b.Rows && a.Width == b.Width }

// elementsPerChunk is the least elementwise work worth giving to another thread.
const elementsPerChunk = 16 << 10

// eachRow calls run for runs of rows whose work is about elements floats per row. run is
// a plain function that finds its operands in args: a closure would be allocated for
// every operation, and decoding consists of small ones.
func eachRow[A any](c *CPU, rows, elements int, args A, run func(c *CPU, args A, lo, hi int)) {
	grain := max(elementsPerChunk/max(elements, 1), 1)
	if rows <= grain {
		if rows > 0 {
			run(c, args, 0, rows)
		}
		return
	}
	shared := args // args itself stays on the stack
	c.pool.split(rows, grain, func(lo, hi int) { run(c, shared, lo, hi) })
}
