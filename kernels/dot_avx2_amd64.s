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
	XORQ IDX, IDX

// The weights' registers become the addresses of the results.
#define OUTPUTS \
	MOVQ 72(R14), AX \
	MOVQ 80(R14), BX \
	LEAQ (BX)(BX*2), CX

#define ZERO4(a, b, c, d) \
	VXORPS a, a, a \
	VXORPS b, b, b \
	VXORPS c, c, c \
	VXORPS d, d, d

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
	VMOVSS       xa, offset(AX) \
	VEXTRACTPS   $1, xa, offset(AX)(BX*1) \
	VEXTRACTPS   $2, xa, offset(AX)(BX*2) \
	VEXTRACTPS   $3, xa, offset(AX)(CX*1)

#define DOT1 ·dotF32x1AVX2
#define DOT3 ·dotF32x3AVX2
#define LOAD(w, y) VMOVUPS (w)(IDX*4), y
#include "dot_avx2.h"
#undef DOT1
#undef DOT3
#undef LOAD

#define DOT1 ·dotBF16x1AVX2
#define DOT3 ·dotBF16x3AVX2
#define LOAD(w, y) VPMOVZXWD (w)(IDX*2), y \
	VPSLLD $16, y, y
#include "dot_avx2.h"
#undef DOT1
#undef DOT3
#undef LOAD

#define DOT1 ·dotF16x1AVX2
#define DOT3 ·dotF16x3AVX2
#define LOAD(w, y) VCVTPH2PS (w)(IDX*2), y
#include "dot_avx2.h"
