package kernels

import (
	"bytes"
	"time"
)

// Calibration is what the machine does at this moment with a device's path and threads.
// The clock and the memory bandwidth of a shared machine drift, so that benchmarks state
// speeds as shares of a calibration taken in the same seconds.
type Calibration struct {
	FMA  float64 // float32 multiply-adds per second
	Read float64 // bytes per second, from memory that is in no cache
	// Pairs is bfloat16 multiply-adds per second; 0 on a device that does not use them.
	Pairs float64
}

// Best returns the larger figures of two calibrations.
func (a Calibration) Best(b Calibration) Calibration {
	return Calibration{max(a.FMA, b.FMA), max(a.Read, b.Read), max(a.Pairs, b.Pairs)}
}

// CalibrationBytes is a length of memory that is far more than the caches hold.
const CalibrationBytes = 192 << 20

// Calibrate takes the fastest of some short runs, because other processes take the
// processor away now and then. memory is CalibrationBytes long and filled with ones, so
// that it has pages of its own.
func (c *CPU) Calibrate(memory []byte) Calibration {
	result := Calibration{Read: c.measureRead(memory)}
	switch c.path {
	case pathAVX512:
		result.FMA = c.measureLoop(16*16, fmaLoopAVX512)
	case pathAVX2:
		result.FMA = c.measureLoop(12*8, fmaLoopAVX2)
	default:
		result.FMA = c.measureLoop(4*64, fmaLoopGo)
	}
	if c.fastBF16 {
		result.Pairs = c.measureLoop(16*32, pairsLoop)
	}
	return result
}

// measureLoop counts the multiply-adds of independent sums in registers.
func (c *CPU) measureLoop(perLoop int, run func(loops int)) float64 {
	const loops = 20_000
	threads := c.Threads()
	seconds := fastest(20, func(int) { c.pool.each(threads, func(int) { run(loops) }) }).Seconds()
	return float64(threads*loops*perLoop) / seconds
}

// measureRead reads memory, each piece in four streams.
func (c *CPU) measureRead(memory []byte) float64 {
	const piece, pieces = 1 << 20, 64
	read := func(p []byte) { readLoop(&p[0], len(p)/4) }
	if c.path == pathGeneric {
		read = readLoopGo
	}
	runs := len(memory) / piece / pieces
	seconds := fastest(3*runs, func(run int) {
		c.pool.each(pieces, func(i int) {
			at := (run%runs*pieces + i) * piece
			read(memory[at : at+piece])
		})
	}).Seconds()
	return pieces * piece / seconds
}

// fastest returns the shortest time of n runs.
func fastest(n int, run func(i int)) time.Duration {
	best := time.Hour
	for i := range n {
		start := time.Now()
		run(i)
		best = min(best, time.Since(start))
	}
	return best
}

// fmaLoopGo is fmaLoopAVX2 in plain Go: 4·64 multiply-adds n times.
func fmaLoopGo(n int) {
	x := make([]float32, 64)
	for range n {
		dotGo4(x, x, x, x, x)
	}
}

// readLoopGo is readLoop in plain Go.
func readLoopGo(p []byte) {
	_ = bytes.IndexByte(p, 0) // memory holds no zero
}
