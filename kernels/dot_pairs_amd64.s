// The dot kernels that multiply bfloat16 weights with rows rounded to bfloat16, 32 k per
// instruction and no widening, and the rounding. Assembly because Go has neither.
// args.x are rows of bfloat16 and args.n is a multiple of 32.

#include "textflag.h"

#define SIZE 2
#include "dot_avx512_frame.h"
#include "pairs.h"

#define LOAD(w, z) VMOVDQU32 (w)(IDX*2), z

// func dotPairs1(args *dotArgs)
// One row of x × four weight rows, k in the lanes.
TEXT ·dotPairs1(SB), NOSPLIT, $0-8
	ARGUMENTS

step:
	XORQ IDX, IDX
	ZERO4(Z0, Z1, Z2, Z3)

loop:
	LOAD(S0, Z16)
	AHEAD(W0)
	LOAD(W0, Z20)
	AHEAD(W1)
	LOAD(W1, Z21)
	AHEAD(W2)
	LOAD(W2, Z22)
	AHEAD(W3)
	LOAD(W3, Z23)
	DP(0, 20, 16)
	DP(1, 21, 16)
	DP(2, 22, 16)
	DP(3, 23, 16)
	ADDQ $32, IDX
	CMPQ IDX, N
	JLT  loop
	REDUCE(0, Z0, Y0, X0, Z1, Y1, Z2, Y2, Z3, Y3)
	ADVANCE
	JNE  step
	VZEROUPPER
	RET

#define DP4(w, a, b, c, d) \
	DP(a, w, 16) \
	DP(b, w, 17) \
	DP(c, w, 18) \
	DP(d, w, 19)

// func dotPairs4(args *dotArgs)
// Four rows of x × four weight rows.
TEXT ·dotPairs4(SB), NOSPLIT, $0-8
	ARGUMENTS

step:
	XORQ IDX, IDX
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)

loop:
	LOAD(S0, Z16)
	LOAD(S1, Z17)
	LOAD(S2, Z18)
	LOAD(S3, Z19)
	AHEAD(W0)
	LOAD(W0, Z20)
	DP4(20, 0, 4, 8, 12)
	AHEAD(W1)
	LOAD(W1, Z21)
	DP4(21, 1, 5, 9, 13)
	AHEAD(W2)
	LOAD(W2, Z22)
	DP4(22, 2, 6, 10, 14)
	AHEAD(W3)
	LOAD(W3, Z23)
	DP4(23, 3, 7, 11, 15)
	ADDQ $32, IDX
	CMPQ IDX, N
	JLT  loop
	REDUCE(0, Z0, Y0, X0, Z1, Y1, Z2, Y2, Z3, Y3)
	REDUCE(4, Z4, Y4, X4, Z5, Y5, Z6, Y6, Z7, Y7)
	REDUCE(8, Z8, Y8, X8, Z9, Y9, Z10, Y10, Z11, Y11)
	REDUCE(12, Z12, Y12, X12, Z13, Y13, Z14, Y14, Z15, Y15)
	ADVANCE
	JNE  step
	VZEROUPPER
	RET

// func roundPairs(dst *uint16, src *float32, n int)
// dst[i] = src[i] as bfloat16, n a positive multiple of 32. Loop: F32sToBF16s.
TEXT ·roundPairs(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VMOVUPS   (SI), Z16
	VMOVUPS   64(SI), Z17
	ROUND2(18, 17, 16)
	VMOVDQU32 Z18, (DI)
	ADDQ      $128, SI
	ADDQ      $64, DI
	SUBQ      $32, CX
	JNE       loop
	VZEROUPPER
	RET

// func pairsLoop(n int)
// n times 16 independent instructions of 32 multiply-adds, for Calibrate only.
TEXT ·pairsLoop(SB), NOSPLIT, $0-8
	MOVQ   n+0(FP), CX
	VPXORD Z16, Z16, Z16
	VPXORD Z20, Z20, Z20

loop:
	DP(0, 20, 16)
	DP(1, 20, 16)
	DP(2, 20, 16)
	DP(3, 20, 16)
	DP(4, 20, 16)
	DP(5, 20, 16)
	DP(6, 20, 16)
	DP(7, 20, 16)
	DP(8, 20, 16)
	DP(9, 20, 16)
	DP(10, 20, 16)
	DP(11, 20, 16)
	DP(12, 20, 16)
	DP(13, 20, 16)
	DP(14, 20, 16)
	DP(15, 20, 16)
	DECQ CX
	JNE  loop
	VZEROUPPER
	RET
