// The product kernels for AVX-512 and bfloat16 weights. They widen two weights with one
// load in registers and are as fast as those for float32; widening a tile to memory first
// loses a tenth and more.

#include "textflag.h"
#include "panel_avx512_frame.h"

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

#define HALFPAIR(w, even, odd) \
	VPBROADCASTD w, Z20 \
	VPSLLD       $16, Z20, Z21 \
	VPANDD       Z22, Z20, Z20 \
	VFMADD231PS  Z16, Z21, even \
	VFMADD231PS  Z18, Z20, odd

#define HALFPAIRSTEP(k) \
	VMOVUPS (k*64)(X), Z16 \
	VMOVUPS (k*64+64)(X), Z18 \
	HALFPAIR((k*2)(W0), Z0, Z8) \
	HALFPAIR((k*2)(W0)(LD*1), Z1, Z9) \
	HALFPAIR((k*2)(W0)(LD*2), Z2, Z10) \
	HALFPAIR((k*2)(W0)(LD3*1), Z3, Z11) \
	HALFPAIR((k*2)(W4), Z4, Z12) \
	HALFPAIR((k*2)(W4)(LD*1), Z5, Z13) \
	HALFPAIR((k*2)(W4)(LD*2), Z6, Z14) \
	HALFPAIR((k*2)(W4)(LD3*1), Z7, Z15)

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
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
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
	JOIN8x16
	FINISH8x16(store)

store:
	STORE8x16
	VZEROUPPER
	RET
