// The product kernel for AVX2, laid out as the AVX-512 one: 6 weight rows × 16 rows of x
// fill the sixteen registers. See panelArgs in asm_amd64.go for the parameters.

#include "textflag.h"

#define W0 AX // weight rows 0 to 2: W0, +LD, +2LD
#define W3 BX // weight rows 3 to 5
#define LD CX
#define X SI
#define OUT DI
#define STRIDE R8
#define N R9
#define NEXT R10 // the weight rows of the next tile, to be prefetched; 0 = none
#define NEXT3 R11
#define COUNT R13

#define ROW(w, b, a0, a1) \
	VBROADCASTSS w, b \
	VFMADD231PS  Y12, b, a0 \
	VFMADD231PS  Y13, b, a1

#define STEP(k) \
	VMOVUPS (k*64)(X), Y12 \
	VMOVUPS (k*64+32)(X), Y13 \
	ROW((k*4)(W0), Y14, Y0, Y1) \
	ROW((k*4)(W0)(LD*1), Y15, Y2, Y3) \
	ROW((k*4)(W0)(LD*2), Y14, Y4, Y5) \
	ROW((k*4)(W3), Y15, Y6, Y7) \
	ROW((k*4)(W3)(LD*1), Y14, Y8, Y9) \
	ROW((k*4)(W3)(LD*2), Y15, Y10, Y11)

#define ZERO(a, b, c) \
	VXORPS a, a, a \
	VXORPS b, b, b \
	VXORPS c, c, c

#define SUM2(o, a0, a1) \
	VADDPS o, a0, a0 \
	VADDPS 32 o, a1, a1

#define STORE2(o, a0, a1) \
	VMOVUPS a0, o \
	VMOVUPS a1, 32 o

// func panelF32x6x16(args *panelArgs)
// 6 float32 weight rows × 16 rows of x. Loop: panelGo.
TEXT ·panelF32x6x16(SB), NOSPLIT, $0-8
	MOVQ args+0(FP), R14
	MOVQ 0(R14), W0
	MOVQ 8(R14), NEXT
	MOVQ 16(R14), LD
	MOVQ 24(R14), X
	MOVQ 32(R14), OUT
	MOVQ 40(R14), STRIDE
	MOVQ 48(R14), N
	LEAQ (LD)(LD*2), R15
	LEAQ (W0)(R15*1), W3
	LEAQ (NEXT)(R15*1), NEXT3
	ZERO(Y0, Y1, Y2)
	ZERO(Y3, Y4, Y5)
	ZERO(Y6, Y7, Y8)
	ZERO(Y9, Y10, Y11)
	SUBQ $16, N
	JLT  tail

block: // 16 k: one cache line of every weight row
	TESTQ NEXT, NEXT
	JEQ   quiet
	PREFETCHT0 (NEXT)
	PREFETCHT0 (NEXT)(LD*1)
	PREFETCHT0 (NEXT)(LD*2)
	PREFETCHT0 (NEXT3)
	PREFETCHT0 (NEXT3)(LD*1)
	PREFETCHT0 (NEXT3)(LD*2)
	ADDQ $64, NEXT
	ADDQ $64, NEXT3

quiet:
	MOVQ $4, COUNT

	PCALIGN $32
steps:
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	ADDQ $16, W0
	ADDQ $16, W3
	ADDQ $256, X
	DECQ COUNT
	JNE  steps
	SUBQ $16, N
	JGE  block

tail:
	ADDQ $16, N
	JEQ  done

single:
	STEP(0)
	ADDQ $4, W0
	ADDQ $4, W3
	ADDQ $64, X
	DECQ N
	JNE  single

done:
	LEAQ (STRIDE)(STRIDE*2), R15
	ADDQ OUT, R15
	CMPQ 56(R14), $0
	JEQ  store
	SUM2((OUT), Y0, Y1)
	SUM2((OUT)(STRIDE*1), Y2, Y3)
	SUM2((OUT)(STRIDE*2), Y4, Y5)
	SUM2((R15), Y6, Y7)
	SUM2((R15)(STRIDE*1), Y8, Y9)
	SUM2((R15)(STRIDE*2), Y10, Y11)

store:
	STORE2((OUT), Y0, Y1)
	STORE2((OUT)(STRIDE*1), Y2, Y3)
	STORE2((OUT)(STRIDE*2), Y4, Y5)
	STORE2((R15), Y6, Y7)
	STORE2((R15)(STRIDE*1), Y8, Y9)
	STORE2((R15)(STRIDE*2), Y10, Y11)
	VZEROUPPER
	RET
