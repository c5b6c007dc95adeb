// Elementwise functions, AVX2 on both vector paths. Assembly because through math.Exp and
// its like they would take longer than the products between them. Lengths are positive
// multiples of 8. Constants: vectorConstants in vecmath_amd64.go.

#include "textflag.h"

#define DST DI
#define SRC SI
#define N CX

#define K(i) ·vectorConstants+(32*i)(SB)
#define ONE K(12)

// x = exp(x), using t and n: x = n·ln2 + r, then a polynomial in r times 2ⁿ in two factors,
// so that results reach down to the subnormal and up to infinity. NaN stays NaN.
#define EXP(x, t, n) \
	VMOVUPS      K(4), t \
	VMINPS       x, t, x \
	VMOVUPS      K(5), t \
	VMAXPS       x, t, x \
	VMOVUPS      K(1), n \
	VMOVUPS      K(0), t \
	VFMADD213PS  n, x, t \
	VSUBPS       n, t, n \
	VFNMADD231PS K(2), n, x \
	VFNMADD231PS K(3), n, x \
	VMOVUPS      K(6), n \
	VFMADD213PS  K(7), x, n \
	VFMADD213PS  K(8), x, n \
	VFMADD213PS  K(9), x, n \
	VFMADD213PS  K(10), x, n \
	VFMADD213PS  K(11), x, n \
	VFMADD213PS  ONE, x, n \
	VFMADD213PS  ONE, x, n \
	VPSUBD       K(1), t, t \
	VPSRAD       $1, t, x \
	VPSUBD       x, t, t \
	VPADDD       K(13), x, x \
	VPADDD       K(13), t, t \
	VPSLLD       $23, x, x \
	VPSLLD       $23, t, t \
	VMULPS       x, n, n \
	VMULPS       t, n, x

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
	ADDQ    $32, DX
	NEXT(loop)
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
	ADDQ    $32, DX
	NEXT(loop)
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
