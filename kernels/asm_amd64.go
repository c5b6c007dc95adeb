package kernels

import "unsafe"

// haveAssembly says that this build has the assembly routines.
const haveAssembly = true

// panelArgs are the parameters of a panel kernel, which multiplies a few weight rows, w
// and every ld bytes after, with one panel of x:
//
//	for i in weight rows, r in panel rows:
//		sum = 0; for j < n: sum += w[i][j] · x[j][r]
//		out[i][r] = sum, or out[i][r] + sum when accumulate is not 0
type panelArgs struct {
	w, next    unsafe.Pointer // next: weight rows to prefetch meanwhile, or nil
	ld         uintptr        // bytes
	x          *float32       // [n][panel rows]
	out        *float32
	stride     uintptr // of out, bytes
	n          int
	accumulate int
}

// dotArgs are the parameters of a dot kernel, which multiplies some rows of x with four
// weight rows that may lie anywhere, steps times:
//
//	for i < 4, r in rows: out[i][r] = sum over j < n of w[i][j] · x[r][j]
//	then every w advances by ld and out by step
//
// n is a positive multiple of the vector's length. Lane l sums the j = l modulo it.
type dotArgs struct {
	w      [4]unsafe.Pointer
	x      [4]*float32
	n      int
	out    *float32
	stride uintptr // of out, bytes
	ld     uintptr // bytes
	step   uintptr // bytes
	steps  int     // counted down by the kernel
}

// transposeArgs are the parameters of transpose8. Strides are in bytes.
type transposeArgs struct {
	src       *float32
	srcStride uintptr
	dst       *float32
	dstStride uintptr
	count     int
	bias      *float32
	srcStep   uintptr
	dstStep   uintptr
	biasStep  uintptr
	add       int // not 0 adds to dst instead of overwriting it
}

//go:noescape
func panelF32x8x32(args *panelArgs)

//go:noescape
func panelF32x8x16(args *panelArgs)

//go:noescape
func panelBF16x8x32(args *panelArgs)

//go:noescape
func panelBF16x8x16(args *panelArgs)

//go:noescape
func panelF16x8x32(args *panelArgs)

//go:noescape
func panelF16x8x16(args *panelArgs)

//go:noescape
func panelF32x6x16(args *panelArgs)

//go:noescape
func panelBF16x6x16(args *panelArgs)

//go:noescape
func panelF16x6x16(args *panelArgs)

//go:noescape
func dotF32x1AVX512(args *dotArgs)

//go:noescape
func dotF32x4AVX512(args *dotArgs)

//go:noescape
func dotBF16x1AVX512(args *dotArgs)

//go:noescape
func dotBF16x4AVX512(args *dotArgs)

//go:noescape
func dotF16x1AVX512(args *dotArgs)

//go:noescape
func dotF16x4AVX512(args *dotArgs)

//go:noescape
func dotF32x1AVX2(args *dotArgs)

//go:noescape
func dotF32x3AVX2(args *dotArgs)

//go:noescape
func dotBF16x1AVX2(args *dotArgs)

//go:noescape
func dotBF16x3AVX2(args *dotArgs)

//go:noescape
func dotF16x1AVX2(args *dotArgs)

//go:noescape
func dotF16x3AVX2(args *dotArgs)

//go:noescape
func transpose8(args *transposeArgs)

//go:noescape
func widenBF16AVX2(dst *float32, src *uint16, n int)

//go:noescape
func widenF16AVX2(dst *float32, src *uint16, n int)

// fmaLoopAVX512, fmaLoopAVX2 and readLoop are for Calibrate only.
func fmaLoopAVX512(n int)
func fmaLoopAVX2(n int)

//go:noescape
func readLoop(p *byte, quarter int)

//go:noescape
func maxRows(dst, src *float32, stride uintptr, vectors, count int)
