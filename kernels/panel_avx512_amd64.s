// The product kernels for AVX-512: weights are broadcast from where they lie, the rows of
// x stand in the lanes. Assembly because Go has no vectors: the plain loop reaches 1/20
// of the speed. See panelArgs in asm_amd64.go for the parameters.

#include "textflag.h"

#include "panel_avx512_frame.h"

#define PANEL32 ·panelF32x8x32
#define PANEL16 ·panelF32x8x16
#define SIZE 4
#define LOAD(w, y, z) VBROADCASTSS w, z
#include "panel_avx512.h"
#undef PANEL32
#undef PANEL16
#undef SIZE
#undef LOAD

#define PANEL32 ·panelF16x8x32
#define PANEL16 ·panelF16x8x16
#define SIZE 2
#define LOAD(w, y, z) VPBROADCASTW w, y \
	VCVTPH2PS y, z
#include "panel_avx512.h"
