package kernels

import "unsafe"

// largestAVX2 returns the largest magnitude of src[:n] as bits, n a positive multiple of 8.
//
//go:noescape
func largestAVX2(src *float32, n int) uint32

// quantizeAVX2 computes dst[i] = round(src[i] / scale), halves to even, i < n, n a positive
// multiple of 8. The results must fit.
//
//go:noescape
func quantizeAVX2(dst *int8, src *float32, n int, scale float32)

// widenInt8AVX2 computes dst[i] = src[i], i < n, n a positive multiple of 8.
//
//go:noescape
func widenInt8AVX2(dst *float32, src *int8, n int)

// scaleLanes computes rows[i][j] *= scales[i], i < count, j < 8·vectors, both positive; rows
// lie a stride of bytes apart.
//
//go:noescape
func scaleLanes(rows *float32, stride uintptr, scales *float32, vectors, count int)

//go:noescape
func dotI8x1AVX512(args *dotArgs)

//go:noescape
func dotI8x4AVX512(args *dotArgs)

//go:noescape
func dotI8x1AVX2(args *dotArgs)

//go:noescape
func dotI8x3AVX2(args *dotArgs)

// prefetchRows asks for bytes of each of some rows, a stride of bytes apart. Both counts are positive.
//
//go:noescape
func prefetchRows(start unsafe.Pointer, stride uintptr, bytes, rows int)

// largestVector is largestGo for the first numbers of row; it returns how many those were.
func largestVector(row []float32) (largest uint32, done int) {
	if done = len(row) / 8 * 8; done > 0 {
		largest = largestAVX2(&row[0], done)
	}
	return largest, done
}

// quantizeVector is quantizeGo for the first numbers; it returns how many those were.
func quantizeVector(dst []int8, src []float32, scale float32) (done int) {
	if done = len(src) / 8 * 8; done > 0 {
		quantizeAVX2(&dst[0], &src[0], done, scale)
	}
	return done
}

// widenInt8Vector is widenInt8 with vectors.
func widenInt8Vector(dst []float32, src []int8) {
	whole := len(src) / 8 * 8
	if whole > 0 {
		widenInt8AVX2(&dst[0], &src[0], whole)
	}
	widenInt8(dst[whole:], src[whole:])
}

// scaleBlocks scales the first rows of every output, and returns how many those were.
func scaleBlocks(t *tile, scales []float32) (done int) {
	vectors := t.rows / 8
	if vectors > 0 {
		scaleLanes(&t.values[0], uintptr(t.stride)*4, &scales[0], vectors, t.count)
	}
	return 8 * vectors
}

// fillPanelsInt8 is what fillPanels is for the other types, over all k. The integers of a tile
// and a block of k are widened into scratch, and those of the next are asked for meanwhile.
// With one panel a tile goes through all k, so that its scratch stays in the first-level cache
// and its rows are read as streams; with more all tiles go through a block of k, which is
// widened once, panel by panel.
func (c *CPU) fillPanelsInt8(t *tile, p *packedRows, w *Weight, s *scratch) {
	size, _ := c.path.tileShape()
	if p.dot <= p.width {
		for i := 0; i < t.count; i += size {
			for k := 0; k < w.In; k += blockK {
				factors := grown(&s.weights, size*min(blockK, w.In-k))
				c.widenTile(factors, t, w, i, k)
				if k+blockK < w.In {
					c.expectTile(t, w, i, k+blockK)
				} else {
					c.expectTile(t, w, i+size, 0)
				}
				c.panelInt8(t, p, factors, i, 0, k)
			}
		}
		return
	}
	for k := 0; k < w.In; k += blockK {
		n := min(blockK, w.In-k)
		block := grown(&s.weights, (t.count+size-1)*n)
		for panel := range (p.dot + p.width - 1) / p.width {
			for i := 0; i < t.count; i += size {
				factors := block[i*n : (i+size)*n]
				if panel == 0 {
					c.widenTile(factors, t, w, i, k)
					c.expectTile(t, w, i+size, k)
				}
				c.panelInt8(t, p, factors, i, panel, k)
			}
			if panel == 0 {
				c.expectTile(t, w, 0, k+blockK)
			}
		}
	}
}

// widenTile widens the integers of a tile's outputs from i on, a block of k from k0 on.
func (c *CPU) widenTile(factors []float32, t *tile, w *Weight, i, k0 int) {
	size, _ := c.path.tileShape()
	c.widenRows(factors, w, t.first+i, min(size, t.count-i), k0, len(factors)/size)
}

// expectTile asks for what widenTile will read, if there is such a tile.
func (c *CPU) expectTile(t *tile, w *Weight, i, k0 int) {
	if size, _ := c.path.tileShape(); i < t.count && k0 < w.In {
		prefetchRows(w.address(t.first+i, k0), uintptr(w.In), min(blockK, w.In-k0), min(size, t.count-i))
	}
}

// panelInt8 adds the products of a panel with widened weights, those of the outputs from i on
// over k from k0 on.
func (c *CPU) panelInt8(t *tile, p *packedRows, factors []float32, i, panel, k0 int) {
	size, _ := c.path.tileShape()
	rows, half := p.width, panel == p.count
	if half {
		rows /= 2
	}
	n := len(factors) / size
	c.panelKernel(&panelArgs{
		w: unsafe.Pointer(&factors[0]), ld: uintptr(n) * 4, n: n, accumulate: k0,
		x:   &p.panels[panel*p.width*p.x.Width+k0*rows],
		out: &t.values[i*t.stride+panel*p.width], stride: uintptr(t.stride) * 4,
	}, F32, half)
}

// dotInt8 runs the dot kernel for I8 weights.
func (c *CPU) dotInt8(args *dotArgs, single bool) {
	wide := c.path == pathAVX512
	switch {
	case wide && single:
		dotI8x1AVX512(args)
	case wide:
		dotI8x4AVX512(args)
	case single:
		dotI8x1AVX2(args)
	default:
		dotI8x3AVX2(args)
	}
}
