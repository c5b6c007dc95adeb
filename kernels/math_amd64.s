// Elementwise functions, AVX2 on both vector paths. Assembly because through math.Exp and
// its like they would take longer than the products between them. Lengths are positive
// multiples of 8. Constants: vectorConstants in vecmath_amd64.go.

#include "textflag.h"

#define DST DI
#define SRC SI
#define N CX

#include "exp.h"

#define NEXT(loop) \
	ADDQ $32, SRC \
	ADDQ $32, DST \
	SUBQ $8, N \
	JNE  loop \
	VZEROUPPER

// func expSum(dst, src *float32, n int, shift float32) float32
TEXT ·expSum(SB), NOSPLIT, $0-36
	MOVQ         dst+0(FP), DST
	MOVQ         src+8(FP), SRC
	MOVQ         n+16(FP), N
	VBROADCASTSS shift+24(FP), Y5
	VXORPS       Y4, Y4, Y4

loop:
	VMOVUPS      (SRC), Y0
	VSUBPS       Y5, Y0, Y0
	EXP(Y0, Y1, Y2)
	VADDPS       Y0, Y4, Y4
	VMOVUPS      Y0, (DST)
	ADDQ         $32, SRC
	ADDQ         $32, DST
	SUBQ         $8, N
	JNE          loop
	VEXTRACTF128 $1, Y4, X0
	VADDPS       X0, X4, X4
	VHADDPS      X4, X4, X4
	VHADDPS      X4, X4, X4
	VMOVSS       X4, ret+32(FP)
	VZEROUPPER
	RET

// func sigmoidProduct(dst, src *float32, n int, c1, c3 float32, one uint32)
TEXT ·sigmoidProduct(SB), NOSPLIT, $0-36
	MOVQ         dst+0(FP), DST
	MOVQ         src+8(FP), SRC
	MOVQ         n+16(FP), N
	VBROADCASTSS c1+24(FP), Y5
	VBROADCASTSS c3+28(FP), Y6
	VBROADCASTSS one+32(FP), Y7
	VXORPS       Y8, Y8, Y8
	VMOVUPS      ONE, Y9
	VMOVUPS      K(41), Y10
	VMOVUPS      K(42), Y11

loop:
	VMOVUPS     (SRC), Y3
	VMINPS      Y3, Y10, Y4
	VMAXPS      Y4, Y11, Y4
	VMULPS      Y4, Y4, Y0
	VFMADD213PS Y5, Y6, Y0     // c1 + c3·x²
	VMULPS      Y4, Y0, Y0
	VSUBPS      Y0, Y8, Y0
	EXP(Y0, Y1, Y2)
	VADDPS      Y9, Y0, Y0
	VBLENDVPS   Y7, Y9, Y3, Y3
	VDIVPS      Y0, Y3, Y3
	VMOVUPS     Y3, (DST)
	NEXT(loop)
	RET

// func geluErf(dst, src *float32, n int)
TEXT ·geluErf(SB), NOSPLIT, $0-24
	MOVQ    dst+0(FP), DST
	MOVQ    src+8(FP), SRC
	MOVQ    n+16(FP), N
	VMOVUPS ONE, Y9

loop:
	VMOVUPS     (SRC), Y3
	VMULPS      Y3, Y3, Y4
	VMOVUPS     K(16), Y5       // the middle: 1/2 + x·P(x²)
	VFMADD213PS K(17), Y4, Y5
	VFMADD213PS K(18), Y4, Y5
	VFMADD213PS K(19), Y4, Y5
	VFMADD213PS K(20), Y4, Y5
	VFMADD213PS K(21), Y4, Y5
	VFMADD213PS K(15), Y3, Y5
	VANDPS      K(14), Y3, Y6   // the tails: t·Q(t)·exp(-x²/2)
	VMOVUPS     K(30), Y7
	VFMADD213PS Y9, Y6, Y7
	VDIVPS      Y7, Y9, Y7
	VMOVUPS     K(22), Y8
	VFMADD213PS K(23), Y7, Y8
	VFMADD213PS K(24), Y7, Y8
	VFMADD213PS K(25), Y7, Y8
	VFMADD213PS K(26), Y7, Y8
	VFMADD213PS K(27), Y7, Y8
	VFMADD213PS K(28), Y7, Y8
	VFMADD213PS K(29), Y7, Y8
	VMULPS      Y7, Y8, Y8
	VMULPS      K(39), Y4, Y0
	EXP(Y0, Y1, Y2)
	VMULPS      Y0, Y8, Y8
	VSUBPS      Y8, Y9, Y7
	VBLENDVPS   Y3, Y8, Y7, Y7  // the left tail where x is negative
	VCMPPS      $1, K(31), Y6, Y6
	VBLENDVPS   Y6, Y5, Y7, Y7
	VMULPS      Y7, Y3, Y3
	VMOVUPS     Y3, (DST)
	NEXT(loop)
	RET

// func tanhCap(dst, src *float32, n int, limit float32)
TEXT ·tanhCap(SB), NOSPLIT, $0-28
	MOVQ         dst+0(FP), DST
	MOVQ         src+8(FP), SRC
	MOVQ         n+16(FP), N
	VBROADCASTSS limit+24(FP), Y10
	VMOVUPS      ONE, Y9

loop:
	VMOVUPS     (SRC), Y3
	VDIVPS      Y10, Y3, Y3
	VMULPS      Y3, Y3, Y4
	VMOVUPS     K(32), Y5      // the middle: y + y³·P(y²)
	VFMADD213PS K(33), Y4, Y5
	VFMADD213PS K(34), Y4, Y5
	VFMADD213PS K(35), Y4, Y5
	VFMADD213PS K(36), Y4, Y5
	VFMADD213PS K(37), Y4, Y5
	VMULPS      Y4, Y5, Y5
	VFMADD213PS Y3, Y3, Y5
	VANDPS      K(14), Y3, Y6  // beyond: 1 - 2/(1 + exp(2|y|)), with y's sign
	VXORPS      Y6, Y3, Y7
	VADDPS      Y6, Y6, Y0
	EXP(Y0, Y1, Y2)
	VADDPS      Y9, Y0, Y0
	VMOVUPS     K(40), Y1
	VDIVPS      Y0, Y1, Y0
	VSUBPS      Y0, Y9, Y0
	VORPS       Y7, Y0, Y0
	VCMPPS      $1, K(38), Y6, Y6
	VBLENDVPS   Y6, Y5, Y0, Y0
	VMULPS      Y10, Y0, Y0
	VMOVUPS     Y0, (DST)
	NEXT(loop)
	RET
