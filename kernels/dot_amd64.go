package kernels

// fillDots computes the rows that are used in place. Four streams run through the
// tile's weights, a quarter of the tile apart: adjacent rows would read memory slower.
func (c *CPU) fillDots(t *tile, p *packedRows, w *Weight) {
	x, rounded := p.x, !p.rounded.IsZero()
	group, multiple := c.path.dotShape()
	if rounded {
		x, multiple = p.rounded, pairsStep
	}
	quarter := (t.count + 3) / 4
	args := dotArgs{
		n: w.In / multiple * multiple, stride: uintptr(quarter*t.stride) * 4,
		ld: uintptr(w.In * w.DType.Size()), step: uintptr(t.stride) * 4,
	}
	rows := x.Rows - p.dot
	if rows == 1 {
		group = 1
	}
	for i, steps := 0, 1; i < quarter && args.n > 0; i += steps {
		steps = 1
		if i == 0 && rows <= group {
			// All steps on which the four streams have a row, in one call. Several groups
			// take a step each instead, so that the weights are still in the cache.
			steps = max(t.count-3*quarter, 1)
		}
		for r := p.dot; r < x.Rows; r += group {
			for j := range args.w {
				args.w[j] = w.address(t.first+min(j*quarter+i, t.count-1), 0)
			}
			for j := range group {
				args.x[j] = &x.host[min(r+j, x.Rows-1)*x.Stride]
			}
			args.out, args.steps = &t.values[i*t.stride+r], steps
			if rounded {
				dotPairs(&args, rows == 1)
			} else {
				c.dotKernel(&args, w.DType, rows == 1)
			}
		}
	}
	switch {
	case args.n == w.In:
	case rounded:
		pairTails(t, p, w, args.n)
	default:
		dotTails(t, p, w, args.n)
	}
}

// dotTails adds the products over k from done on, which are fewer than a vector.
func dotTails(t *tile, p *packedRows, w *Weight, done int) {
	var buffer [16]float32
	n := w.In - done
	for i := range t.count {
		at := (t.first+i)*w.In + done
		switch {
		case w.f32 != nil:
			copy(buffer[:n], w.f32[at:])
		case w.i8 != nil:
			widenInt8(buffer[:n], w.i8[at:at+n])
		default:
			widen(buffer[:n], w.u16[at:at+n], w.DType)
		}
		for r := p.dot; r < p.x.Rows; r++ {
			sum := dotGo(buffer[:n], p.x.row(r)[done:])
			if done == 0 {
				t.values[i*t.stride+r] = sum
			} else {
				t.values[i*t.stride+r] += sum
			}
		}
	}
}

// dotKernel runs the dot kernel for a weight type.
func (c *CPU) dotKernel(args *dotArgs, d DType, single bool) {
	if d == I8 {
		c.dotInt8(args, single)
		return
	}
	wide := c.path == pathAVX512
	switch {
	case wide && single && d == F32:
		dotF32x1AVX512(args)
	case wide && single && d == BF16:
		dotBF16x1AVX512(args)
	case wide && single:
		dotF16x1AVX512(args)
	case wide && d == F32:
		dotF32x4AVX512(args)
	case wide && d == BF16:
		dotBF16x4AVX512(args)
	case wide:
		dotF16x4AVX512(args)
	case single && d == F32:
		dotF32x1AVX2(args)
	case single && d == BF16:
		dotBF16x1AVX2(args)
	case single:
		dotF16x1AVX2(args)
	case d == F32:
		dotF32x3AVX2(args)
	case d == BF16:
		dotBF16x3AVX2(args)
	default:
		dotF16x3AVX2(args)
	}
}
