package kernels

import "unsafe"

// blockK is how many k a tile sums before the sum goes to the scratch: a block of a panel
// stays in a near cache, and short sums are more accurate.
const blockK = 384

// tileShape returns the weight rows of a panel kernel and the rows of x of its panel.
func (p path) tileShape() (weightRows, rows int) {
	if p == pathAVX512 {
		return 8, 32
	}
	return 6, 16
}

// dotShape returns the rows of x of the larger dot kernel and the multiple of k it needs.
func (p path) dotShape() (rows, step int) {
	if p == pathAVX512 {
		return 4, 16
	}
	return 3, 8
}

// plan decides which rows of x go into panels.
func (c *CPU) plan(x Buffer, d DType) packedRows {
	_, width := c.path.tileShape()
	group, _ := c.path.dotShape()
	passes := 2 // of the dot kernel that cost less than a panel that is mostly empty
	if c.path == pathAVX2 {
		passes = 3
	}
	few := passes * group
	if d == I8 { // whose panels wait for the widening
		few = width * 3 / 4
	}
	p := packedRows{x: x, width: width, count: x.Rows / width, dot: x.Rows}
	rest := x.Rows % width
	switch {
	case rest == 0:
	case rest <= few:
		p.dot = x.Rows - rest
	case c.path == pathAVX512 && rest <= width/2+passes*group:
		p.half = true
		p.dot = min(x.Rows, x.Rows-rest+width/2)
	default:
		p.count++
	}
	p.stride = p.count * width
	if p.half {
		p.stride += width / 2
	}
	if x.Rows-p.dot > 1 {
		p.stride += (x.Rows - p.dot + group - 1) / group * group
	} else {
		p.stride += x.Rows - p.dot
	}
	return p
}

// pack transposes the rows of x into panels. The caller returns them to c.buffers.
func (c *CPU) pack(x Buffer, d DType) packedRows {
	p := c.plan(x, d)
	if p.dot > 0 {
		p.panels = c.packPanels(p, x)
	}
	return p
}

// packPanels transposes rows, which are x or what it was rounded to.
func (c *CPU) packPanels(p packedRows, x Buffer) []float32 {
	count, size := p.count, p.width*x.Width
	total := p.count * size
	if p.half {
		count++
		total += size / 2
	}
	panels := c.buffers.take(total)
	c.pool.split(count, max(elementsPerChunk/max(size, 1), 1), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			width := p.width
			if i == p.count {
				width /= 2
			}
			packPanel(panels[i*size:i*size+width*x.Width], x, i*p.width, width)
		}
	})
	return panels
}

// fill computes a tile with the kernels of a vector path.
func (c *CPU) fill(t *tile, p *packedRows, w *Weight, s *scratch) {
	if w.In == 0 {
		clear(t.values)
		return
	}
	switch {
	case p.panels == nil:
	case w.i8 != nil:
		c.fillPanelsInt8(t, p, w, s)
	default:
		for k := 0; k < w.In; k += blockK {
			c.fillPanels(t, p, w, s, k, min(blockK, w.In-k), c.after(t, w, k+blockK))
		}
	}
	if p.dot < p.x.Rows {
		c.fillDots(t, p, w)
	}
}

// after returns the weights that follow a tile's block, for the last tile to ask for: the
// block from k on, or what this thread's next chunk is likely to begin with; nil at the end.
func (c *CPU) after(t *tile, w *Weight, k int) unsafe.Pointer {
	if k < w.In {
		return w.address(t.first, k)
	}
	if next := t.first + t.count*c.pool.threads; next < w.Out {
		return w.address(next, 0)
	}
	return nil
}

// address returns where element k of row o of w lies.
func (w *Weight) address(o, k int) unsafe.Pointer {
	switch {
	case w.f32 != nil:
		return unsafe.Pointer(&w.f32[o*w.In+k])
	case w.i8 != nil:
		return unsafe.Pointer(&w.i8[o*w.In+k])
	}
	return unsafe.Pointer(&w.u16[o*w.In+k])
}

// fillPanels adds the products over k in [k0, k0+n) of all panels. Weight rows are used
// in place but for the last, where they are fewer than a tile: those are widened into
// scratch, between zeros, and give the same bits. While a tile is multiplied with the first
// panel the weights of the next tile are prefetched; after the last tile that is after.
func (c *CPU) fillPanels(t *tile, p *packedRows, w *Weight, s *scratch, k0, n int, after unsafe.Pointer) {
	size, _ := c.path.tileShape()
	direct := t.count / size * size // outputs whose weights are used in place
	copied := t.count - direct
	var wide []float32
	if copied > 0 {
		wide = grown(&s.weights, (copied+size-1)/size*size*n)
		c.widenRows(wide, w, t.first+direct, copied, k0, n)
	}
	args := panelArgs{stride: uintptr(t.stride) * 4, n: n, accumulate: k0}
	for panel, column := 0, 0; column < p.dot; panel, column = panel+1, column+p.width {
		half := panel == p.count
		rows := p.width
		if half {
			rows /= 2
		}
		args.x = &p.panels[panel*p.width*p.x.Width+k0*rows]
		args.ld = uintptr(w.In * w.DType.Size())
		for i := 0; i < direct; i += size {
			args.w, args.next = w.address(t.first+i, k0), nil
			switch {
			case panel > 0:
			case i+size < direct:
				args.next = w.address(t.first+i+size, k0)
			default:
				args.next = after
			}
			args.out = &t.values[i*t.stride+column]
			c.panelKernel(&args, w.DType, half)
		}
		args.ld, args.next = uintptr(n)*4, nil
		for i := 0; i < copied; i += size {
			args.w, args.out = unsafe.Pointer(&wide[i*n]), &t.values[(direct+i)*t.stride+column]
			c.panelKernel(&args, F32, half)
		}
	}
}

// panelKernel runs the panel kernel for a weight type.
func (c *CPU) panelKernel(args *panelArgs, d DType, half bool) {
	narrow := c.path == pathAVX2
	switch {
	case narrow && d == F32:
		panelF32x6x16(args)
	case narrow && d == BF16:
		panelBF16x6x16(args)
	case narrow:
		panelF16x6x16(args)
	case half && d == F32:
		panelF32x8x16(args)
	case half && d == BF16:
		panelBF16x8x16(args)
	case half:
		panelF16x8x16(args)
	case d == F32:
		panelF32x8x32(args)
	case d == BF16:
		panelBF16x8x32(args)
	default:
		panelF16x8x32(args)
	}
}

// widenRows copies columns [k0, k0+n) of weight rows as float32 into dst, dense (those of I8
// without their scales), and
// fills what is left of dst with zeros.
func (c *CPU) widenRows(dst []float32, w *Weight, first, rows, k0, n int) {
	for i := range rows {
		at := (first+i)*w.In + k0
		row := dst[i*n : (i+1)*n]
		switch {
		case w.f32 != nil:
			copy(row, w.f32[at:at+n])
		case w.i8 != nil:
			widenInt8Vector(row, w.i8[at:at+n])
		default:
			widenVector(row, w.u16[at:at+n], w.DType)
		}
	}
	clear(dst[rows*n:])
}
