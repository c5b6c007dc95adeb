// The dot kernels for AVX-512: float32, bfloat16, float16 and int8 weights. Assembly because Go
// has no vectors and no loads that widen. See dotArgs in asm_amd64.go.

#include "textflag.h"
#include "dot_avx512_frame.h"

#define FMA4(w, a, b, c, d) \
	VFMADD231PS Z16, w, a \
	VFMADD231PS Z17, w, b \
	VFMADD231PS Z18, w, c \
	VFMADD231PS Z19, w, d

#define DOT1 ·dotF32x1AVX512
#define DOT4 ·dotF32x4AVX512
#define SIZE 4
#define LOAD(w, z) VMOVUPS (w)(IDX*4), z
#include "dot_avx512.h"
#undef DOT1
#undef DOT4
#undef LOAD
#undef SIZE

#define DOT1 ·dotBF16x1AVX512
#define DOT4 ·dotBF16x4AVX512
#define SIZE 2
#define LOAD(w, z) VPMOVZXWD (w)(IDX*2), z \
	VPSLLD $16, z, z
#include "dot_avx512.h"
#undef DOT1
#undef DOT4
#undef LOAD
#undef SIZE

#define DOT1 ·dotF16x1AVX512
#define DOT4 ·dotF16x4AVX512
#define SIZE 2
#define LOAD(w, z) VCVTPH2PS (w)(IDX*2), z
#include "dot_avx512.h"
#undef DOT1
#undef DOT4
#undef LOAD
#undef SIZE

#define DOT1 ·dotI8x1AVX512
#define DOT4 ·dotI8x4AVX512
#define SIZE 1
#define LOAD(w, z) VPMOVSXBD (w)(IDX*1), z \
	VCVTDQ2PS z, z
#include "dot_avx512.h"
