// Data movement: 8×8 transposition and widening, AVX2 on both vector paths. Assembly
// because element by element they would take a tenth of a product's time.

#include "textflag.h"

#define SRC SI
#define DST DI
#define LS R8  // stride of the source
#define LS3 R9
#define LD R10 // stride of the target
#define LD3 R11
#define COUNT R12
#define ADD R13

// Interleaves the 4×4 blocks of four rows; the results are columns 0|4, 1|5, 2|6 and 3|7.
#define QUAD(a, b, c, d) \
	VUNPCKLPS b, a, Y12 \
	VUNPCKHPS b, a, Y13 \
	VUNPCKLPS d, c, a \
	VUNPCKHPS d, c, b \
	VUNPCKLPD a, Y12, c \
	VUNPCKHPD a, Y12, d \
	VUNPCKLPD b, Y13, a \
	VUNPCKHPD b, Y13, b

// func transpose8(args *transposeArgs)
// For count blocks: dst[i][j] = src[j][i] + bias[j] + (dst[i][j] with add), i, j < 8,
// then src, dst and bias advance by their steps.
TEXT ·transpose8(SB), NOSPLIT, $0-8
	MOVQ         args+0(FP), R14
	MOVQ         0(R14), SRC
	MOVQ         8(R14), LS
	MOVQ         16(R14), DST
	MOVQ         24(R14), LD
	MOVQ         32(R14), COUNT
	MOVQ         40(R14), DX
	MOVQ         72(R14), ADD
	LEAQ         (LS)(LS*2), LS3
	LEAQ         (LD)(LD*2), LD3

block:
	VMOVUPS    (DX), Y14
	LEAQ       (SRC)(LS*4), AX
	VMOVUPS    (SRC), Y0
	VMOVUPS    (SRC)(LS*1), Y1
	VMOVUPS    (SRC)(LS*2), Y2
	VMOVUPS    (SRC)(LS3*1), Y3
	VMOVUPS    (AX), Y4
	VMOVUPS    (AX)(LS*1), Y5
	VMOVUPS    (AX)(LS*2), Y6
	VMOVUPS    (AX)(LS3*1), Y7
	QUAD(Y0, Y1, Y2, Y3) // columns 0|4 in Y2, 1|5 in Y3, 2|6 in Y0, 3|7 in Y1
	QUAD(Y4, Y5, Y6, Y7)
	LEAQ       (DST)(LD*4), BX
	VPERM2F128 $0x20, Y6, Y2, Y8
	VPERM2F128 $0x20, Y7, Y3, Y9
	VPERM2F128 $0x20, Y4, Y0, Y10
	VPERM2F128 $0x20, Y5, Y1, Y11
	VPERM2F128 $0x31, Y6, Y2, Y2
	VPERM2F128 $0x31, Y7, Y3, Y3
	VPERM2F128 $0x31, Y4, Y0, Y0
	VPERM2F128 $0x31, Y5, Y1, Y1
	VADDPS     Y14, Y8, Y8
	VADDPS     Y14, Y9, Y9
	VADDPS     Y14, Y10, Y10
	VADDPS     Y14, Y11, Y11
	VADDPS     Y14, Y2, Y2
	VADDPS     Y14, Y3, Y3
	VADDPS     Y14, Y0, Y0
	VADDPS     Y14, Y1, Y1
	TESTQ      ADD, ADD
	JEQ        store

	// All loads stand before all stores: with a stride of 4 KiB a load would wait for the
	// store before it.
	VADDPS (DST), Y8, Y8
	VADDPS (DST)(LD*1), Y9, Y9
	VADDPS (DST)(LD*2), Y10, Y10
	VADDPS (DST)(LD3*1), Y11, Y11
	VADDPS (BX), Y2, Y2
	VADDPS (BX)(LD*1), Y3, Y3
	VADDPS (BX)(LD*2), Y0, Y0
	VADDPS (BX)(LD3*1), Y1, Y1

store:
	VMOVUPS Y8, (DST)
	VMOVUPS Y9, (DST)(LD*1)
	VMOVUPS Y10, (DST)(LD*2)
	VMOVUPS Y11, (DST)(LD3*1)
	VMOVUPS Y2, (BX)
	VMOVUPS Y3, (BX)(LD*1)
	VMOVUPS Y0, (BX)(LD*2)
	VMOVUPS Y1, (BX)(LD3*1)
	ADDQ       48(R14), SRC
	ADDQ       56(R14), DST
	ADDQ       64(R14), DX
	DECQ       COUNT
	JNE        block
	VZEROUPPER
	RET

// func widenBF16AVX2(dst *float32, src *uint16, n int)
// dst[i] = src[i] << 16, n a positive multiple of 8. Loop: BF16sToF32s.
TEXT ·widenBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DST
	MOVQ src+8(FP), SRC
	MOVQ n+16(FP), COUNT

loop:
	VPMOVZXWD (SRC), Y0
	VPSLLD    $16, Y0, Y0
	VMOVDQU   Y0, (DST)
	ADDQ      $16, SRC
	ADDQ      $32, DST
	SUBQ      $8, COUNT
	JNE       loop
	VZEROUPPER
	RET

// func widenF16AVX2(dst *float32, src *uint16, n int)
// dst[i] = src[i] as float32, n a positive multiple of 8. Loop: F16sToF32s.
TEXT ·widenF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DST
	MOVQ src+8(FP), SRC
	MOVQ n+16(FP), COUNT

loop:
	VCVTPH2PS (SRC), Y0
	VMOVUPS   Y0, (DST)
	ADDQ      $16, SRC
	ADDQ      $32, DST
	SUBQ      $8, COUNT
	JNE       loop
	VZEROUPPER
	RET

// func maxRows(dst, src *float32, stride uintptr, vectors, count int)
// dst[i] = max over j < 8·vectors of src[i][j], NaN when one of them is; i < count, rows of
// src a stride of bytes apart, both counts positive. Loop: maxRowGo. Assembly because it
// looks at every activation of an encoding: in Go it takes a tenth of the product's time.
TEXT ·maxRows(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DST
	MOVQ src+8(FP), SRC
	MOVQ stride+16(FP), LS
	MOVQ vectors+24(FP), R9
	MOVQ count+32(FP), COUNT
	MOVL $0x7fc00000, R11

row:
	VMOVUPS (SRC), Y0
	VCMPPS  $3, Y0, Y0, Y1 // unordered with itself: a NaN
	MOVQ    SRC, AX
	MOVQ    R9, BX
	JMP     next

vector:
	ADDQ    $32, AX
	VMOVUPS (AX), Y2
	VCMPPS  $3, Y2, Y2, Y3
	VMAXPS  Y2, Y0, Y0
	VORPS   Y3, Y1, Y1

next:
	DECQ         BX
	JNE          vector
	VEXTRACTF128 $1, Y0, X2
	VMAXPS       X2, X0, X0
	VPERMILPS    $0x4e, X0, X2
	VMAXPS       X2, X0, X0
	VPERMILPS    $0xb1, X0, X2
	VMAXPS       X2, X0, X0
	VMOVSS       X0, (DST)
	VPTEST       Y1, Y1
	JEQ          whole
	MOVL         R11, (DST)

whole:
	ADDQ $4, DST
	ADDQ LS, SRC
	DECQ COUNT
	JNE  row
	VZEROUPPER
	RET
