// Sums, products and the softmax over rows of lanes, AVX2 on both vector paths. Counts are
// positive, lengths positive multiples of 8.

#include "textflag.h"

#define DST DI
#define SRC SI
#define N CX

#include "exp.h"

// func addVector(dst, a, b *float32, n int)
TEXT ·addVector(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DST
	MOVQ a+8(FP), SRC
	MOVQ b+16(FP), DX
	MOVQ n+24(FP), N

loop:
	VMOVUPS (SRC), Y0
	VADDPS  (DX), Y0, Y0
	VMOVUPS Y0, (DST)
	ADDQ    $32, SRC
	ADDQ    $32, DX
	ADDQ    $32, DST
	SUBQ    $8, N
	JNE     loop
	VZEROUPPER
	RET

// func mulVector(dst, a, b *float32, n int)
TEXT ·mulVector(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DST
	MOVQ a+8(FP), SRC
	MOVQ b+16(FP), DX
	MOVQ n+24(FP), N

loop:
	VMOVUPS (SRC), Y0
	VMULPS  (DX), Y0, Y0
	VMOVUPS Y0, (DST)
	ADDQ    $32, SRC
	ADDQ    $32, DX
	ADDQ    $32, DST
	SUBQ    $8, N
	JNE     loop
	VZEROUPPER
	RET

// func lanesExpSum(s, maximum, sum *float32, count, groups int)
TEXT ·lanesExpSum(SB), NOSPLIT, $0-40
	MOVQ s+0(FP), SRC
	MOVQ maximum+8(FP), DX
	MOVQ sum+16(FP), DST
	MOVQ groups+32(FP), R8
	MOVQ R8, R9
	SHLQ $5, R9 // bytes from row to row

group:
	MOVQ    count+24(FP), N
	MOVQ    SRC, AX
	VMOVUPS (DX), Y5

largest:
	VMAXPS  (AX), Y5, Y5 // a NaN may be lost here; its own exponential keeps it
	ADDQ    R9, AX
	DECQ    N
	JNE     largest
	VMOVUPS Y5, (DX)
	MOVQ    count+24(FP), N
	MOVQ    SRC, AX
	VXORPS  Y4, Y4, Y4

exponential:
	VMOVUPS (AX), Y0
	VSUBPS  Y5, Y0, Y0
	EXP(Y0, Y1, Y2)
	VADDPS  Y0, Y4, Y4
	VMOVUPS Y0, (AX)
	ADDQ    R9, AX
	DECQ    N
	JNE     exponential
	VMOVUPS Y4, (DST)
	ADDQ    $32, DST
	ADDQ    $32, DX
	ADDQ    $32, SRC
	DECQ    R8
	JNE     group
	VZEROUPPER
	RET

// func lanesScale(s, factor *float32, count, groups int)
TEXT ·lanesScale(SB), NOSPLIT, $0-32
	MOVQ s+0(FP), SRC
	MOVQ factor+8(FP), DX
	MOVQ groups+24(FP), R8
	MOVQ R8, R9
	SHLQ $5, R9

group:
	MOVQ    count+16(FP), N
	MOVQ    SRC, AX
	VMOVUPS (DX), Y5

row:
	VMULPS  (AX), Y5, Y0
	VMOVUPS Y0, (AX)
	ADDQ    R9, AX
	DECQ    N
	JNE     row
	ADDQ    $32, DX
	ADDQ    $32, SRC
	DECQ    R8
	JNE     group
	VZEROUPPER
	RET

// func weightedRows(dst, p, rows *float32, stride uintptr, count, groups int)
TEXT ·weightedRows(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DST
	MOVQ rows+16(FP), SRC
	MOVQ stride+24(FP), R9
	MOVQ groups+40(FP), R8

four: // 32 columns at a time
	SUBQ   $4, R8
	JLT    rest
	MOVQ   p+8(FP), DX
	MOVQ   SRC, AX
	MOVQ   count+32(FP), N
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3

row4:
	VBROADCASTSS (DX), Y4
	VFMADD231PS  (AX), Y4, Y0
	VFMADD231PS  32(AX), Y4, Y1
	VFMADD231PS  64(AX), Y4, Y2
	VFMADD231PS  96(AX), Y4, Y3
	ADDQ         $4, DX
	ADDQ         R9, AX
	DECQ         N
	JNE          row4
	VMOVUPS      Y0, (DST)
	VMOVUPS      Y1, 32(DST)
	VMOVUPS      Y2, 64(DST)
	VMOVUPS      Y3, 96(DST)
	ADDQ         $128, DST
	ADDQ         $128, SRC
	JMP          four

rest:
	ADDQ $4, R8
	JEQ  done

one: // 8 columns at a time
	MOVQ   p+8(FP), DX
	MOVQ   SRC, AX
	MOVQ   count+32(FP), N
	VXORPS Y0, Y0, Y0

row1:
	VBROADCASTSS (DX), Y4
	VFMADD231PS  (AX), Y4, Y0
	ADDQ         $4, DX
	ADDQ         R9, AX
	DECQ         N
	JNE          row1
	VMOVUPS      Y0, (DST)
	ADDQ         $32, DST
	ADDQ         $32, SRC
	DECQ         R8
	JNE          one

done:
	VZEROUPPER
	RET
