// Two loops that measure what the processor and its memory can do at this moment: the
// benchmarks state their speed as a share of them. Nothing else calls these.

#include "textflag.h"

#define FMA4(x, a, b, c, d) \
	VFMADD231PS x, x, a \
	VFMADD231PS x, x, b \
	VFMADD231PS x, x, c \
	VFMADD231PS x, x, d

// func fmaLoopAVX512(n int)
// n times 16 independent multiply-adds of 16 lanes.
TEXT ·fmaLoopAVX512(SB), NOSPLIT, $0-8
	MOVQ   n+0(FP), CX
	VPXORD Z31, Z31, Z31

loop:
	FMA4(Z31, Z0, Z1, Z2, Z3)
	FMA4(Z31, Z4, Z5, Z6, Z7)
	FMA4(Z31, Z8, Z9, Z10, Z11)
	FMA4(Z31, Z12, Z13, Z14, Z15)
	DECQ CX
	JNE  loop
	VZEROUPPER
	RET

// func fmaLoopAVX2(n int)
// n times 12 independent multiply-adds of 8 lanes.
TEXT ·fmaLoopAVX2(SB), NOSPLIT, $0-8
	MOVQ   n+0(FP), CX
	VXORPS Y15, Y15, Y15

loop:
	FMA4(Y15, Y0, Y1, Y2, Y3)
	FMA4(Y15, Y4, Y5, Y6, Y7)
	FMA4(Y15, Y8, Y9, Y10, Y11)
	DECQ CX
	JNE  loop
	VZEROUPPER
	RET

// func readLoop(p *byte, quarter int)
// Reads 4·quarter bytes in four streams; quarter is a positive multiple of 64.
TEXT ·readLoop(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ quarter+8(FP), CX
	LEAQ (CX)(CX*2), DX
	LEAQ (AX)(CX*1), BX
	ADDQ AX, DX
	LEAQ (AX)(CX*2), SI
	XORQ DI, DI

loop:
	VMOVDQU (AX)(DI*1), Y0
	VMOVDQU 32(AX)(DI*1), Y1
	VMOVDQU (BX)(DI*1), Y2
	VMOVDQU 32(BX)(DI*1), Y3
	VMOVDQU (SI)(DI*1), Y4
	VMOVDQU 32(SI)(DI*1), Y5
	VMOVDQU (DX)(DI*1), Y6
	VMOVDQU 32(DX)(DI*1), Y7
	ADDQ    $64, DI
	CMPQ    DI, CX
	JLT     loop
	VZEROUPPER
	RET
