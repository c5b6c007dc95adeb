// The product kernels for AVX2, laid out as the AVX-512 ones: 6 weight rows × 16 rows of x
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

#define FMA2(b, a0, a1) \
	VFMADD231PS Y12, b, a0 \
	VFMADD231PS Y13, b, a1

#define NAME ·panelF32x6x16
#define SIZE 4
#define ROW(w, x, b, a0, a1) VBROADCASTSS w, b \
	FMA2(b, a0, a1)
#include "panel_avx2.h"
#undef NAME
#undef SIZE
#undef ROW

#define NAME ·panelBF16x6x16
#define SIZE 2
#define ROW(w, x, b, a0, a1) VPBROADCASTW w, b \
	VPSLLD $16, b, b \
	FMA2(b, a0, a1)
#include "panel_avx2.h"
#undef NAME
#undef SIZE
#undef ROW

#define NAME ·panelF16x6x16
#define SIZE 2
#define ROW(w, x, b, a0, a1) VPBROADCASTW w, x \
	VCVTPH2PS x, b \
	FMA2(b, a0, a1)
#include "panel_avx2.h"
