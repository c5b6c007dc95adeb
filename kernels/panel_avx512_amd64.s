// The product kernels for AVX-512: weights are broadcast from where they lie, the rows of
// x stand in the lanes. Assembly because Go has no vectors: the plain loop reaches 1/60
// of the speed. See panelArgs in asm_amd64.go for the parameters.

#include "textflag.h"

#define W0 AX // weight rows 0 to 3: W0, +LD, +2LD, +LD3
#define W4 BX // weight rows 4 to 7
#define LD CX
#define LD3 DX
#define X SI
#define OUT DI
#define STRIDE R8
#define N R9
#define NEXT R10 // the weight rows of the next tile, to be prefetched; 0 = none
#define NEXT4 R11
#define STRIDE3 R12
#define COUNT R13

#define ARGUMENTS \
	MOVQ args+0(FP), R14 \
	MOVQ 0(R14), W0 \
	MOVQ 8(R14), NEXT \
	MOVQ 16(R14), LD \
	MOVQ 24(R14), X \
	MOVQ 32(R14), OUT \
	MOVQ 40(R14), STRIDE \
	MOVQ 48(R14), N \
	LEAQ (LD)(LD*2), LD3 \
	LEAQ (W0)(LD*4), W4 \
	LEAQ (NEXT)(LD*4), NEXT4 \
	LEAQ (STRIDE)(STRIDE*2), STRIDE3

#define PREFETCH8 \
	PREFETCHT0 (NEXT) \
	PREFETCHT0 (NEXT)(LD*1) \
	PREFETCHT0 (NEXT)(LD*2) \
	PREFETCHT0 (NEXT)(LD3*1) \
	PREFETCHT0 (NEXT4) \
	PREFETCHT0 (NEXT4)(LD*1) \
	PREFETCHT0 (NEXT4)(LD*2) \
	PREFETCHT0 (NEXT4)(LD3*1)

#define ZERO(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

#define ADVANCE(k, size) \
	ADDQ $(k*size), W0 \
	ADDQ $(k*size), W4

#define SUM2(o, a0, a1) \
	VADDPS o, a0, a0 \
	VADDPS 64 o, a1, a1

#define STORE2(o, a0, a1) \
	VMOVUPS a0, o \
	VMOVUPS a1, 64 o

// Adds the 8×32 tile to what is stored, when args.accumulate says so, and stores it.
#define FINISH8x32(store) \
	LEAQ  (OUT)(STRIDE*4), R15 \
	CMPQ  56(R14), $0 \
	JEQ   store \
	SUM2((OUT), Z0, Z1) \
	SUM2((OUT)(STRIDE*1), Z2, Z3) \
	SUM2((OUT)(STRIDE*2), Z4, Z5) \
	SUM2((OUT)(STRIDE3*1), Z6, Z7) \
	SUM2((R15), Z8, Z9) \
	SUM2((R15)(STRIDE*1), Z10, Z11) \
	SUM2((R15)(STRIDE*2), Z12, Z13) \
	SUM2((R15)(STRIDE3*1), Z14, Z15)

#define STORE8x32 \
	STORE2((OUT), Z0, Z1) \
	STORE2((OUT)(STRIDE*1), Z2, Z3) \
	STORE2((OUT)(STRIDE*2), Z4, Z5) \
	STORE2((OUT)(STRIDE3*1), Z6, Z7) \
	STORE2((R15), Z8, Z9) \
	STORE2((R15)(STRIDE*1), Z10, Z11) \
	STORE2((R15)(STRIDE*2), Z12, Z13) \
	STORE2((R15)(STRIDE3*1), Z14, Z15)

// Two bfloat16 weights, k and k+1 in one 32-bit word, times two vectors of x each.
#define PAIR(w, a0, a1) \
	VPBROADCASTD w, Z20 \
	VPSLLD       $16, Z20, Z21 \
	VPANDD       Z22, Z20, Z20 \
	VFMADD231PS  Z16, Z21, a0 \
	VFMADD231PS  Z17, Z21, a1 \
	VFMADD231PS  Z18, Z20, a0 \
	VFMADD231PS  Z19, Z20, a1

#define PAIRSTEP(k) \
	VMOVUPS (k*128)(X), Z16 \
	VMOVUPS (k*128+64)(X), Z17 \
	VMOVUPS (k*128+128)(X), Z18 \
	VMOVUPS (k*128+192)(X), Z19 \
	PAIR((k*2)(W0), Z0, Z1) \
	PAIR((k*2)(W0)(LD*1), Z2, Z3) \
	PAIR((k*2)(W0)(LD*2), Z4, Z5) \
	PAIR((k*2)(W0)(LD3*1), Z6, Z7) \
	PAIR((k*2)(W4), Z8, Z9) \
	PAIR((k*2)(W4)(LD*1), Z10, Z11) \
	PAIR((k*2)(W4)(LD*2), Z12, Z13) \
	PAIR((k*2)(W4)(LD3*1), Z14, Z15)

#define ODD(w, a0, a1) \
	VPBROADCASTW w, Z20 \
	VPSLLD       $16, Z20, Z20 \
	VFMADD231PS  Z16, Z20, a0 \
	VFMADD231PS  Z17, Z20, a1

#define ODDSTEP \
	VMOVUPS (X), Z16 \
	VMOVUPS 64(X), Z17 \
	ODD((W0), Z0, Z1) \
	ODD((W0)(LD*1), Z2, Z3) \
	ODD((W0)(LD*2), Z4, Z5) \
	ODD((W0)(LD3*1), Z6, Z7) \
	ODD((W4), Z8, Z9) \
	ODD((W4)(LD*1), Z10, Z11) \
	ODD((W4)(LD*2), Z12, Z13) \
	ODD((W4)(LD3*1), Z14, Z15)

// func panelBF16x8x32(args *panelArgs)
// 8 bfloat16 weight rows × 32 rows of x: widened in registers, which is as fast as
// float32, where widening a tile to memory first loses a tenth and more.
TEXT ·panelBF16x8x32(SB), NOSPLIT, $0-8
	ARGUMENTS
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
	MOVL         $0xffff0000, R15
	VPBROADCASTD R15, Z22
	SUBQ         $32, N
	JLT          tail

block: // 32 k: one cache line of every weight row
	TESTQ NEXT, NEXT
	JEQ   quiet
	PREFETCH8
	ADDQ  $64, NEXT
	ADDQ  $64, NEXT4

quiet:
	MOVQ $8, COUNT

	PCALIGN $32
steps:
	PAIRSTEP(0)
	PAIRSTEP(2)
	ADVANCE(4, 2)
	ADDQ $512, X
	DECQ COUNT
	JNE  steps
	SUBQ $32, N
	JGE  block

tail:
	ADDQ $32, N
	SUBQ $2, N
	JLT  last

pair:
	PAIRSTEP(0)
	ADVANCE(2, 2)
	ADDQ $256, X
	SUBQ $2, N
	JGE  pair

last:
	ADDQ $2, N
	JEQ  done
	ODDSTEP

done:
	FINISH8x32(store)

store:
	STORE8x32
	VZEROUPPER
	RET

#define FINISH8x16(store) \
	LEAQ   (OUT)(STRIDE*4), R15 \
	CMPQ   56(R14), $0 \
	JEQ    store \
	VADDPS (OUT), Z0, Z0 \
	VADDPS (OUT)(STRIDE*1), Z1, Z1 \
	VADDPS (OUT)(STRIDE*2), Z2, Z2 \
	VADDPS (OUT)(STRIDE3*1), Z3, Z3 \
	VADDPS (R15), Z4, Z4 \
	VADDPS (R15)(STRIDE*1), Z5, Z5 \
	VADDPS (R15)(STRIDE*2), Z6, Z6 \
	VADDPS (R15)(STRIDE3*1), Z7, Z7

#define STORE8x16 \
	VMOVUPS Z0, (OUT) \
	VMOVUPS Z1, (OUT)(STRIDE*1) \
	VMOVUPS Z2, (OUT)(STRIDE*2) \
	VMOVUPS Z3, (OUT)(STRIDE3*1) \
	VMOVUPS Z4, (R15) \
	VMOVUPS Z5, (R15)(STRIDE*1) \
	VMOVUPS Z6, (R15)(STRIDE*2) \
	VMOVUPS Z7, (R15)(STRIDE3*1)

#define HALFPAIR(w, a) \
	VPBROADCASTD w, Z20 \
	VPSLLD       $16, Z20, Z21 \
	VPANDD       Z22, Z20, Z20 \
	VFMADD231PS  Z16, Z21, a \
	VFMADD231PS  Z18, Z20, a

#define HALFPAIRSTEP(k) \
	VMOVUPS (k*64)(X), Z16 \
	VMOVUPS (k*64+64)(X), Z18 \
	HALFPAIR((k*2)(W0), Z0) \
	HALFPAIR((k*2)(W0)(LD*1), Z1) \
	HALFPAIR((k*2)(W0)(LD*2), Z2) \
	HALFPAIR((k*2)(W0)(LD3*1), Z3) \
	HALFPAIR((k*2)(W4), Z4) \
	HALFPAIR((k*2)(W4)(LD*1), Z5) \
	HALFPAIR((k*2)(W4)(LD*2), Z6) \
	HALFPAIR((k*2)(W4)(LD3*1), Z7)

#define HALFODD(w, a) \
	VPBROADCASTW w, Z20 \
	VPSLLD       $16, Z20, Z20 \
	VFMADD231PS  Z16, Z20, a

// func panelBF16x8x16(args *panelArgs)
// 8 bfloat16 weight rows × 16 rows of x.
TEXT ·panelBF16x8x16(SB), NOSPLIT, $0-8
	ARGUMENTS
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	MOVL         $0xffff0000, R15
	VPBROADCASTD R15, Z22
	SUBQ         $32, N
	JLT          tail

block:
	TESTQ NEXT, NEXT
	JEQ   quiet
	PREFETCH8
	ADDQ  $64, NEXT
	ADDQ  $64, NEXT4

quiet:
	MOVQ $8, COUNT

	PCALIGN $32
steps:
	HALFPAIRSTEP(0)
	HALFPAIRSTEP(2)
	ADVANCE(4, 2)
	ADDQ $256, X
	DECQ COUNT
	JNE  steps
	SUBQ $32, N
	JGE  block

tail:
	ADDQ $32, N
	SUBQ $2, N
	JLT  last

pair:
	HALFPAIRSTEP(0)
	ADVANCE(2, 2)
	ADDQ $128, X
	SUBQ $2, N
	JGE  pair

last:
	ADDQ $2, N
	JEQ  done
	VMOVUPS (X), Z16
	HALFODD((W0), Z0)
	HALFODD((W0)(LD*1), Z1)
	HALFODD((W0)(LD*2), Z2)
	HALFODD((W0)(LD3*1), Z3)
	HALFODD((W4), Z4)
	HALFODD((W4)(LD*1), Z5)
	HALFODD((W4)(LD*2), Z6)
	HALFODD((W4)(LD3*1), Z7)

done:
	FINISH8x16(store)

store:
	STORE8x16
	VZEROUPPER
	RET

#define PANEL32 ·panelF32x8x32
#define PANEL16 ·panelF32x8x16
#define SIZE 4
#define LOAD(w, y, z) VBROADCASTSS w, z
#include "panel_avx512.h"
#undef PANEL32
#undef PANEL16
#undef SIZE
#undef LOAD

#define PANEL32 ·panelF16x8x32
#define PANEL16 ·panelF16x8x16
#define SIZE 2
#define LOAD(w, y, z) VPBROADCASTW w, y \
	VCVTPH2PS y, z
#include "panel_avx512.h"
