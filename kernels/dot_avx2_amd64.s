// The dot kernels for AVX2, as those for AVX-512, with one row of x or three.
// See dotArgs in asm_amd64.go.

#include "textflag.h"

#define W0 AX
#define W1 BX
#define W2 CX
#define W3 DX
#define S0 SI
#define S1 DI
#define S2 R8
#define IDX R10
#define N R11
#define OUT R12
#define STRIDE R13 // between the results of two weight rows
#define STRIDE3 R15

#define ARGUMENTS \
	MOVQ args+0(FP), R14 \
	MOVQ 0(R14), W0 \
	MOVQ 8(R14), W1 \
	MOVQ 16(R14), W2 \
	MOVQ 24(R14), W3 \
	MOVQ 32(R14), S0 \
	MOVQ 40(R14), S1 \
	MOVQ 48(R14), S2 \
	MOVQ 64(R14), N \
	MOVQ 72(R14), OUT \
	MOVQ 80(R14), STRIDE \
	LEAQ (STRIDE)(STRIDE*2), STRIDE3

// Moves on to the next weight rows and the next results.
#define ADVANCE \
	MOVQ 88(R14), R10 \
	ADDQ R10, W0 \
	ADDQ R10, W1 \
	ADDQ R10, W2 \
	ADDQ R10, W3 \
	ADDQ 96(R14), OUT \
	DECQ 104(R14)

#define ZERO4(a, b, c, d) \
	VXORPS a, a, a \
	VXORPS b, b, b \
	VXORPS c, c, c \
	VXORPS d, d, d

// Asks for a stream's weights before the loop gets there.
#define AHEAD(w) PREFETCHT0 2048(w)(IDX*SIZE)

#define FMA3(w, a, b, c) \
	VFMADD231PS Y12, w, a \
	VFMADD231PS Y13, w, b \
	VFMADD231PS Y14, w, c

// Sums the lanes of four vectors and stores the sums, a stride apart.
#define REDUCE(offset, ya, xa, yb, yc, yd) \
	VHADDPS      yb, ya, ya \
	VHADDPS      yd, yc, yc \
	VHADDPS      yc, ya, ya \
	VEXTRACTF128 $1, ya, X15 \
	VADDPS       X15, xa, xa \
	VMOVSS       xa, offset(OUT) \
	VEXTRACTPS   $1, xa, offset(OUT)(STRIDE*1) \
	VEXTRACTPS   $2, xa, offset(OUT)(STRIDE*2) \
	VEXTRACTPS   $3, xa, offset(OUT)(STRIDE3*1)

#define DOT1 ·dotF32x1AVX2
#define DOT3 ·dotF32x3AVX2
#define SIZE 4
#define LOAD(w, y) VMOVUPS (w)(IDX*4), y
#include "dot_avx2.h"
#undef DOT1
#undef DOT3
#undef LOAD
#undef SIZE

#define DOT1 ·dotBF16x1AVX2
#define DOT3 ·dotBF16x3AVX2
#define SIZE 2
#define LOAD(w, y) VPMOVZXWD (w)(IDX*2), y \
	VPSLLD $16, y, y
#include "dot_avx2.h"
#undef DOT1
#undef DOT3
#undef LOAD
#undef SIZE

#define DOT1 ·dotF16x1AVX2
#define DOT3 ·dotF16x3AVX2
#define SIZE 2
#define LOAD(w, y) VCVTPH2PS (w)(IDX*2), y
#include "dot_avx2.h"
#undef DOT1
#undef DOT3
#undef LOAD
#undef SIZE

#define DOT1 ·dotI8x1AVX2
#define DOT3 ·dotI8x3AVX2
#define SIZE 1
#define LOAD(w, y) VPMOVSXBD (w)(IDX*1), y \
	VCVTDQ2PS y, y
#include "dot_avx2.h"
