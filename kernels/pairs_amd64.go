package kernels

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// havePairs reports whether this machine multiplies pairs of bfloat16.
func havePairs() bool { return pathAVX512.supported() && cpu.X86.HasAVX512BF16 }

// pairsStep is the k that a dot kernel for pairs takes at a time.
const pairsStep = 32

// halves views words as the bfloat16 numbers they hold.
func halves(words []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(words))), 2*len(words))
}

// packPairs is pack for rows that are rounded to bfloat16 first. The caller returns panels
// and rounded rows to the pool.
func (c *CPU) packPairs(x Buffer) packedRows {
	p := c.plan(x, BF16)
	p.rounded = c.NewBuffer(x.Rows, (x.Width+1)/2)
	eachRow(c, x.Rows, x.Width, operands{dst: p.rounded, a: x}, roundRows)
	if p.dot > 0 {
		p.panels = c.packPanels(p, p.rounded)
	}
	return p
}

// roundRows rounds rows to words of two bfloat16; a zero stands beside an odd last number.
func roundRows(_ *CPU, o operands, lo, hi int) {
	for r := lo; r < hi; r++ {
		x, y := o.a.row(r), halves(o.dst.row(r))
		whole := len(x) / pairsStep * pairsStep
		y[len(y)-1] = 0
		if whole > 0 {
			roundPairs(&y[0], &x[0], whole)
		}
		F32sToBF16s(y[whole:], x[whole:])
	}
}

// fillPairs is fill for rounded rows.
func (c *CPU) fillPairs(t *tile, p *packedRows, w *Weight, s *scratch) {
	if p.panels != nil {
		for k := 0; k < w.In; k += blockK {
			c.fillPairPanels(t, p, w, s, k, min(blockK, w.In-k))
		}
	}
	if p.dot < p.x.Rows {
		c.fillDots(t, p, w)
	}
}

// fillPairPanels is fillPanels for rounded rows: the weights are never widened, and those of
// the last outputs are copied as they are.
func (c *CPU) fillPairPanels(t *tile, p *packedRows, w *Weight, s *scratch, k0, n int) {
	size, _ := pathAVX512.tileShape()
	direct := t.count / size * size
	copied := copyPairs(s, w, t.first+direct, t.count-direct, k0, n)
	args := panelArgs{stride: uintptr(t.stride) * 4, n: n, accumulate: k0}
	for panel, column := 0, 0; column < p.dot; panel, column = panel+1, column+p.width {
		half := panel == p.count
		rows := p.width
		if half {
			rows /= 2
		}
		args.x = &p.panels[panel*p.width*p.rounded.Width+k0/2*rows]
		args.ld = uintptr(w.In) * 2
		for i := 0; i < direct; i += size {
			args.w, args.next = w.address(t.first+i, k0), nil
			switch {
			case panel > 0:
			case i+size < direct:
				args.next = w.address(t.first+i+size, k0)
			default:
				args.next = c.after(t, w, k0+blockK)
			}
			args.out = &t.values[i*t.stride+column]
			panelPairs(&args, half)
		}
		args.ld, args.next = uintptr(n)*2, nil
		for i := direct; i < t.count; i += size {
			args.w, args.out = unsafe.Pointer(&copied[(i-direct)*n]), &t.values[i*t.stride+column]
			panelPairs(&args, half)
		}
	}
}

func panelPairs(args *panelArgs, half bool) {
	if half {
		panelPairs8x16(args)
		return
	}
	panelPairs8x32(args)
}

// copyPairs copies columns [k0, k0+n) of weight rows, fewer than a kernel takes, dense and
// with zeros for the missing rows.
func copyPairs(s *scratch, w *Weight, first, rows, k0, n int) []uint16 {
	if rows == 0 {
		return nil
	}
	size, _ := pathAVX512.tileShape()
	dst := halves(grown(&s.weights, size*n/2))
	for i := range rows {
		copy(dst[i*n:(i+1)*n], w.u16[(first+i)*w.In+k0:])
	}
	clear(dst[rows*n:])
	return dst
}

// dotPairs runs the dot kernel for rounded rows.
func dotPairs(args *dotArgs, single bool) {
	if single {
		dotPairs1(args)
		return
	}
	dotPairs4(args)
}

// pairTails adds the products over k from done on, which are fewer than a step.
func pairTails(t *tile, p *packedRows, w *Weight, done int) {
	for i := range t.count {
		at := (t.first + i) * w.In
		for r := p.dot; r < p.x.Rows; r++ {
			sum := dotPairsGo(w.u16[at+done:at+w.In], halves(p.rounded.row(r))[done:])
			if done > 0 {
				sum += t.values[i*t.stride+r]
			}
			t.values[i*t.stride+r] = sum
		}
	}
}
