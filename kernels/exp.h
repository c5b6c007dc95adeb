// The exponential in eight lanes, shared by the elementwise functions and the softmax.
// Constants: vectorConstants in vecmath_amd64.go.

#define K(i) ·vectorConstants+(32*i)(SB)
#define ONE K(12)

// x = exp(x), using t, n and Y15: x = n·ln2 + r, then a polynomial in r times 2ⁿ in two
// factors, so that results reach infinity. Below exp(-87) they are 0: subnormal results
// would take three times as long, and every hidden key of an attention is one. NaN stays NaN.
#define EXP(x, t, n) \
	VMOVUPS      K(4), t \
	VCMPPS       $0x11, K(5), x, Y15 \
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
	VMULPS       t, n, n \
	VANDNPS      n, Y15, x
