// What I8 weights need besides their dot kernels, AVX2 on both vector paths. Assembly
// because a load quantizes every weight of a model, and a panel waits for its widened tile.

#include "textflag.h"

#define DST DI
#define SRC SI
#define N CX

// func largestAVX2(src *float32, n int) uint32
// Magnitudes are ordered as their bits are. Loop: largestGo.
TEXT ·largestAVX2(SB), NOSPLIT, $0-20
	MOVQ       src+0(FP), SRC
	MOVQ       n+8(FP), N
	VPCMPEQD   Y15, Y15, Y15
	VPSRLD     $1, Y15, Y15 // all but the sign
	VPXOR      Y0, Y0, Y0

loop:
	VPAND   (SRC), Y15, Y1
	VPMAXUD Y1, Y0, Y0
	ADDQ    $32, SRC
	SUBQ    $8, N
	JNE     loop
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VPMAXUD      X1, X0, X0
	VMOVD        X0, AX
	MOVL         AX, ret+16(FP)
	VZEROUPPER
	RET

// func quantizeAVX2(dst *int8, src *float32, n int, scale float32)
// It divides, as the loop does: a product with 1/scale would round twice. Loop: quantizeGo.
TEXT ·quantizeAVX2(SB), NOSPLIT, $0-28
	MOVQ         dst+0(FP), DST
	MOVQ         src+8(FP), SRC
	MOVQ         n+16(FP), N
	VBROADCASTSS scale+24(FP), Y15

loop:
	VMOVUPS      (SRC), Y0
	VDIVPS       Y15, Y0, Y0
	VCVTPS2DQ    Y0, Y0 // to the nearest, halves to even
	VEXTRACTI128 $1, Y0, X1
	VPACKSSDW    X1, X0, X0
	VPACKSSWB    X0, X0, X0
	VMOVQ        X0, (DST)
	ADDQ         $32, SRC
	ADDQ         $8, DST
	SUBQ         $8, N
	JNE          loop
	VZEROUPPER
	RET

// func widenInt8AVX2(dst *float32, src *int8, n int)
// Loop: widenInt8.
TEXT ·widenInt8AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DST
	MOVQ src+8(FP), SRC
	MOVQ n+16(FP), N

	SUBQ $32, N
	JLT  tail

block:
	VPMOVSXBD (SRC), Y0
	VPMOVSXBD 8(SRC), Y1
	VPMOVSXBD 16(SRC), Y2
	VPMOVSXBD 24(SRC), Y3
	VCVTDQ2PS Y0, Y0
	VCVTDQ2PS Y1, Y1
	VCVTDQ2PS Y2, Y2
	VCVTDQ2PS Y3, Y3
	VMOVUPS   Y0, (DST)
	VMOVUPS   Y1, 32(DST)
	VMOVUPS   Y2, 64(DST)
	VMOVUPS   Y3, 96(DST)
	ADDQ      $32, SRC
	ADDQ      $128, DST
	SUBQ      $32, N
	JGE       block

tail:
	ADDQ $32, N
	JEQ  done

loop:
	VPMOVSXBD (SRC), Y0
	VCVTDQ2PS Y0, Y0
	VMOVUPS   Y0, (DST)
	ADDQ      $8, SRC
	ADDQ      $32, DST
	SUBQ      $8, N
	JNE       loop

done:
	VZEROUPPER
	RET

// func scaleLanes(rows *float32, stride uintptr, scales *float32, vectors, count int)
// Loop: scaleTile.
TEXT ·scaleLanes(SB), NOSPLIT, $0-40
	MOVQ rows+0(FP), DST
	MOVQ stride+8(FP), R8
	MOVQ scales+16(FP), SRC
	MOVQ count+32(FP), DX

row:
	VBROADCASTSS (SRC), Y1
	MOVQ         DST, AX
	MOVQ         vectors+24(FP), N

vector:
	VMULPS  (AX), Y1, Y0
	VMOVUPS Y0, (AX)
	ADDQ    $32, AX
	DECQ    N
	JNE     vector
	ADDQ    $4, SRC
	ADDQ    R8, DST
	DECQ    DX
	JNE     row
	VZEROUPPER
	RET

// func prefetchRows(start unsafe.Pointer, stride uintptr, bytes, rows int)
TEXT ·prefetchRows(SB), NOSPLIT, $0-32
	MOVQ start+0(FP), SRC
	MOVQ stride+8(FP), R8
	MOVQ rows+24(FP), DX

row:
	MOVQ SRC, AX
	MOVQ bytes+16(FP), N

line:
	PREFETCHT0 (AX)
	ADDQ       $64, AX
	SUBQ       $64, N
	JGE        line
	ADDQ       R8, SRC
	DECQ       DX
	JNE        row
	RET
