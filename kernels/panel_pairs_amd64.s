// The panel kernels that multiply bfloat16 weights with rows rounded to bfloat16, two k per
// instruction. Assembly because Go has no such instruction. The weights lie where the file
// has them: one 32-bit broadcast is the pair that a word of the panel is multiplied with.
// args.x is [n/2][rows] words, each two k of one row; an odd last k has a zero beside it.

#include "textflag.h"
#include "panel_avx512_frame.h"
#include "pairs.h"

#define PAIR(w, a0, a1) \
	VPBROADCASTD w, Z20 \
	DP(a0, 20, 16) \
	DP(a1, 20, 17)

#define PAIRSTEP(p) \
	VMOVUPS (p*128)(X), Z16 \
	VMOVUPS (p*128+64)(X), Z17 \
	PAIR((p*4)(W0), 0, 1) \
	PAIR((p*4)(W0)(LD*1), 2, 3) \
	PAIR((p*4)(W0)(LD*2), 4, 5) \
	PAIR((p*4)(W0)(LD3*1), 6, 7) \
	PAIR((p*4)(W4), 8, 9) \
	PAIR((p*4)(W4)(LD*1), 10, 11) \
	PAIR((p*4)(W4)(LD*2), 12, 13) \
	PAIR((p*4)(W4)(LD3*1), 14, 15)

// The last weight of an odd number, beside a zero: what follows it is not ours to read.
#define LAST(w) \
	VPBROADCASTW w, Z20 \
	VPANDD       Z22, Z20, Z20

#define ODD(w, a0, a1) \
	LAST(w) \
	DP(a0, 20, 16) \
	DP(a1, 20, 17)

// func panelPairs8x32(args *panelArgs)
// 8 weight rows × 32 rows of x.
TEXT ·panelPairs8x32(SB), NOSPLIT, $0-8
	ARGUMENTS
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
	SUBQ $32, N
	JLT  tail

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
	PAIRSTEP(1)
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
	PAIRSTEP(0)
	ADVANCE(2, 2)
	ADDQ $128, X
	SUBQ $2, N
	JGE  pair

last:
	ADDQ         $2, N
	JEQ          done
	MOVL         $0xffff, R15
	VPBROADCASTD R15, Z22
	VMOVUPS      (X), Z16
	VMOVUPS      64(X), Z17
	ODD((W0), 0, 1)
	ODD((W0)(LD*1), 2, 3)
	ODD((W0)(LD*2), 4, 5)
	ODD((W0)(LD3*1), 6, 7)
	ODD((W4), 8, 9)
	ODD((W4)(LD*1), 10, 11)
	ODD((W4)(LD*2), 12, 13)
	ODD((W4)(LD3*1), 14, 15)

done:
	FINISH8x32(store)

store:
	STORE8x32
	VZEROUPPER
	RET

#define HALFPAIR(w, x, a) \
	VPBROADCASTD w, Z20 \
	DP(a, 20, x)

#define HALFPAIRSTEP(p, x, a0, a1, a2, a3, a4, a5, a6, a7) \
	HALFPAIR((p*4)(W0), x, a0) \
	HALFPAIR((p*4)(W0)(LD*1), x, a1) \
	HALFPAIR((p*4)(W0)(LD*2), x, a2) \
	HALFPAIR((p*4)(W0)(LD3*1), x, a3) \
	HALFPAIR((p*4)(W4), x, a4) \
	HALFPAIR((p*4)(W4)(LD*1), x, a5) \
	HALFPAIR((p*4)(W4)(LD*2), x, a6) \
	HALFPAIR((p*4)(W4)(LD3*1), x, a7)

#define HALFODD(w, a) \
	LAST(w) \
	DP(a, 20, 16)

// func panelPairs8x16(args *panelArgs)
// 8 weight rows × 16 rows of x. Two sums an output, which take turns: eight sums would wait
// for each other.
TEXT ·panelPairs8x16(SB), NOSPLIT, $0-8
	ARGUMENTS
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
	SUBQ $32, N
	JLT  tail

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
	VMOVUPS (X), Z16
	VMOVUPS 64(X), Z17
	HALFPAIRSTEP(0, 16, 0, 1, 2, 3, 4, 5, 6, 7)
	HALFPAIRSTEP(1, 17, 8, 9, 10, 11, 12, 13, 14, 15)
	ADVANCE(4, 2)
	ADDQ $128, X
	DECQ COUNT
	JNE  steps
	SUBQ $32, N
	JGE  block

tail:
	ADDQ $32, N
	SUBQ $2, N
	JLT  last

pair:
	VMOVUPS (X), Z16
	HALFPAIRSTEP(0, 16, 0, 1, 2, 3, 4, 5, 6, 7)
	ADVANCE(2, 2)
	ADDQ $64, X
	SUBQ $2, N
	JGE  pair

last:
	ADDQ         $2, N
	JEQ          done
	MOVL         $0xffff, R15
	VPBROADCASTD R15, Z22
	VMOVUPS      (X), Z16
	HALFODD((W0), 0)
	HALFODD((W0)(LD*1), 1)
	HALFODD((W0)(LD*2), 2)
	HALFODD((W0)(LD3*1), 3)
	HALFODD((W4), 4)
	HALFODD((W4)(LD*1), 5)
	HALFODD((W4)(LD*2), 6)
	HALFODD((W4)(LD3*1), 7)

done:
	VADDPS Z8, Z0, Z0
	VADDPS Z9, Z1, Z1
	VADDPS Z10, Z2, Z2
	VADDPS Z11, Z3, Z3
	VADDPS Z12, Z4, Z4
	VADDPS Z13, Z5, Z5
	VADDPS Z14, Z6, Z6
	VADDPS Z15, Z7, Z7
	FINISH8x16(store)

store:
	STORE8x16
	VZEROUPPER
	RET
