package kernels

import "math"

// zeros is the bias of a transposition without one. Adding -0 leaves every bit as it is, words
// of two bfloat16 included, but for a signalling NaN.
var (
	zeros         [8]float32
	negativeZeros = [8]float32{minusZero, minusZero, minusZero, minusZero, minusZero, minusZero, minusZero, minusZero}
	minusZero     = math.Float32frombits(1 << 31)
)

// packPanel writes panel[k][i] = x[first+i][k] for i < width; rows beyond x are zeros.
func packPanel(panel []float32, x Buffer, first, width int) {
	rows := min(width, x.Rows-first)
	done := 0
	blocks := x.Width / 8
	for ; done+8 <= rows && blocks > 0; done += 8 {
		transpose8(&transposeArgs{
			src: &x.row(first + done)[0], srcStride: uintptr(x.Stride) * 4,
			dst: &panel[done], dstStride: uintptr(width) * 4, count: blocks, bias: &negativeZeros[0],
			srcStep: 32, dstStep: uintptr(width) * 32,
		})
		for i := done; i < done+8; i++ {
			for k := blocks * 8; k < x.Width; k++ {
				panel[k*width+i] = x.row(first + i)[k]
			}
		}
	}
	for i := done; i < rows; i++ {
		for k, v := range x.row(first + i) {
			panel[k*width+i] = v
		}
	}
	for i := max(rows, 0); i < width; i++ {
		for k := range x.Width {
			panel[k*width+i] = 0
		}
	}
}

// storeBlocks writes the whole 8×8 blocks of a tile to dst, as storeGo does, and returns
// how many outputs it did; the rows after the last multiple of 8 are left. It goes along
// the rows of dst, whose stride may put every row into one set of the cache. Rows before
// row, a multiple of 8, are left out.
func storeBlocks(dst Buffer, t *tile, bias Buffer, add bool, row int) int {
	args := transposeArgs{
		srcStride: uintptr(t.stride) * 4, srcStep: uintptr(t.stride) * 32,
		dstStride: uintptr(dst.Stride) * 4, dstStep: 32, bias: &zeros[0], count: t.count / 8,
	}
	if args.count == 0 {
		return 0
	}
	if !bias.IsZero() {
		args.bias, args.biasStep = &bias.host[t.first], 32
	}
	if add {
		args.add = 1
	}
	for r := row; r+8 <= t.rows; r += 8 {
		args.src, args.dst = &t.values[r], &dst.host[r*dst.Stride+t.first]
		transpose8(&args)
	}
	return args.count * 8
}

// storeTile writes rows [row, t.rows) of a tile to dst; row is a multiple of 8.
func storeTile(dst Buffer, t *tile, row int) {
	done := storeBlocks(dst, t, Buffer{}, false, row)
	storeGo(dst, t, Buffer{}, false, row, done, t.count)
	storeGo(dst, t, Buffer{}, false, t.rows/8*8, 0, done)
}

// widenVector is widen with the vector kernels.
func widenVector(dst []float32, src []uint16, d DType) {
	whole := len(src) / 8 * 8
	if whole > 0 {
		if d == BF16 {
			widenBF16AVX2(&dst[0], &src[0], whole)
		} else {
			widenF16AVX2(&dst[0], &src[0], whole)
		}
	}
	widen(dst[whole:], src[whole:], d)
}

// maxBlocks puts the maximum of each output's first rows, a multiple of 8, into dst, as
// maxRowGo does, and returns how many rows that were.
func maxBlocks(dst []float32, t *tile) int {
	vectors := t.rows / 8
	if vectors > 0 {
		maxRows(&dst[0], &t.values[0], uintptr(t.stride)*4, vectors, t.count)
	}
	return vectors * 8
}

// transposeColumns writes dst[o][k] = src[k][o] for the first transposeBlock of out outputs
// and returns how many k it did, a multiple of 16: whole cache lines of dst at a time.
func transposeColumns(dst, src []float32, out, in int) int {
	args := transposeArgs{
		srcStride: uintptr(out) * 4, srcStep: uintptr(out) * 32,
		dstStride: uintptr(in) * 4, dstStep: 32, bias: &zeros[0], count: 2,
	}
	k := 0
	for ; k+16 <= in; k += 16 {
		for o := 0; o < transposeBlock; o += 8 {
			args.src, args.dst = &src[k*out+o], &dst[o*in+k]
			transpose8(&args)
		}
	}
	return k
}
