package kernels

import (
	"math/bits"
	"sync"
	"unsafe"
)

// row returns row r of a CPU buffer.
func (b Buffer) row(r int) []float32 {
	return b.host[r*b.Stride : r*b.Stride+b.Width : r*b.Stride+b.Width]
}

// maxPooledFloats bounds what a device keeps of released buffers (64 MiB).
const maxPooledFloats = 16 << 20

// bufferPool keeps released buffers by size class, so that a forward pass allocates
// nothing after its first run. Large ones lie outside the Go heap: keys, values and logits would
// let garbage grow as large as they are, and are given back at once when the pool is full.
type bufferPool struct {
	mu      sync.Mutex
	free    map[int][][]float32
	held    int
	outside map[*float32]func() // gives back large buffers, by their first element
}

// classOf rounds n up to a size class: four per power of two.
func classOf(n int) int {
	if n <= 64 {
		return 64
	}
	step := 1 << max(bits.Len(uint(n-1))-3, 0)
	return (n + step - 1) / step * step
}

func (p *bufferPool) take(n int) []float32 {
	class := classOf(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.free[class]
	if len(list) == 0 {
		return p.fresh(class)[:n]
	}
	s := list[len(list)-1]
	p.free[class] = list[:len(list)-1]
	p.held -= class
	return s[:n]
}

// fresh makes a buffer. The lock is held.
func (p *bufferPool) fresh(class int) []float32 {
	m, err := newMemory[float32](class)
	if err != nil {
		panic(err) // as where the Go heap cannot grow
	}
	if m.free != nil {
		if p.outside == nil {
			p.outside = map[*float32]func(){}
		}
		p.outside[unsafe.SliceData(m.values)] = m.free
	}
	return m.values
}

// give keeps s unless it is a part of something or the pool is full.
func (p *bufferPool) give(s []float32) {
	class := cap(s)
	if class == 0 || class != classOf(class) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held+class > maxPooledFloats {
		p.forget(s)
		return
	}
	if p.free == nil {
		p.free = make(map[int][][]float32)
	}
	p.free[class] = append(p.free[class], s)
	p.held += class
}

// forget gives back a buffer that is not kept. The lock is held.
func (p *bufferPool) forget(s []float32) {
	first := unsafe.SliceData(s)
	if free := p.outside[first]; free != nil {
		delete(p.outside, first)
		free()
	}
}

// empty forgets all released buffers.
func (p *bufferPool) empty() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range p.free {
		for _, s := range list {
			p.forget(s)
		}
	}
	p.free, p.held = nil, 0
}

// pageFloats is half a page: rows of its multiples put a column of rows into one or two sets of the
// cache: such rows get a cache line of padding.
const pageFloats = 512

// NewBuffer returns an uninitialised [rows, width] buffer.
func (c *CPU) NewBuffer(rows, width int) Buffer {
	mustMatch(rows >= 0 && width >= 0, "new buffer", rows, width)
	stride := width
	if width%pageFloats == 0 && rows > 1 {
		stride += 16
	}
	return Buffer{Rows: rows, Width: width, Stride: stride, host: c.buffers.take(rows * stride)}
}

// Release gives a buffer made by NewBuffer or Upload back for reuse.
func (c *CPU) Release(b Buffer) { c.buffers.give(b.host) }

// Upload copies host data into a new [rows, width] buffer.
func (c *CPU) Upload(rows, width int, data []float32) Buffer {
	mustMatch(len(data) == rows*width, "upload", rows, width, len(data))
	b := c.NewBuffer(rows, width)
	for r := range rows {
		copy(b.row(r), data[r*width:])
	}
	return b
}

// Download copies b's rows, dense, into dst.
func (c *CPU) Download(dst []float32, b Buffer) {
	mustMatch(len(dst) >= b.Rows*b.Width, "download", len(dst), b.Rows, b.Width)
	for r := range b.Rows {
		copy(dst[r*b.Width:], b.row(r))
	}
}

// View returns rows [row, row+rows) and columns [column, column+width) of b, sharing its memory.
func (c *CPU) View(b Buffer, row, rows, column, width int) Buffer {
	mustMatch(row >= 0 && rows >= 0 && row+rows <= b.Rows && column >= 0 && width >= 0 && column+width <= b.Width,
		"view", b.Rows, b.Width, row, rows, column, width)
	if rows == 0 || width == 0 {
		return Buffer{Rows: rows, Width: width, Stride: b.Stride, host: []float32{}}
	}
	first := row*b.Stride + column
	last := first + (rows-1)*b.Stride + width
	return Buffer{Rows: rows, Width: width, Stride: b.Stride, host: b.host[first:last:last]}
}

// Copy copies src into dst.
func (c *CPU) Copy(dst, src Buffer) {
	mustMatch(sameShape(dst, src), "copy", dst.Rows, dst.Width, src.Rows, src.Width)
	for r := range src.Rows {
		copy(dst.row(r), src.row(r))
	}
}

// Gather copies row rows[i] of src to row i of dst.
func (c *CPU) Gather(dst, src Buffer, rows []int) {
	mustMatch(dst.Rows == len(rows) && dst.Width == src.Width, "gather", dst.Rows, dst.Width, len(rows), src.Width)
	for i, r := range rows {
		copy(dst.row(i), src.row(r))
	}
}
