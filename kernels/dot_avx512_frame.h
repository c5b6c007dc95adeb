// What the dot kernels for AVX-512 have in common: registers, the arguments (dotArgs in
// asm_amd64.go), prefetching and the sums over lanes. SIZE is the bytes of a weight.

#define W0 AX
#define W1 BX
#define W2 CX
#define W3 DX
#define S0 SI
#define S1 DI
#define S2 R8
#define S3 R9
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
	MOVQ 56(R14), S3 \
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
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

// Asks for a stream's weights before the loop gets there: the sums of several rows leave
// the processor no room to run ahead by itself.
#define AHEAD(w) PREFETCHT0 2048(w)(IDX*SIZE)

#define FOLD(z, y) \
	VEXTRACTF32X8 $1, z, Y24 \
	VADDPS        Y24, y, y

// Sums the lanes of four vectors and stores the sums, a stride apart.
#define REDUCE(offset, za, ya, xa, zb, yb, zc, yc, zd, yd) \
	FOLD(za, ya) \
	FOLD(zb, yb) \
	FOLD(zc, yc) \
	FOLD(zd, yd) \
	VHADDPS       yb, ya, ya \
	VHADDPS       yd, yc, yc \
	VHADDPS       yc, ya, ya \
	VEXTRACTF32X4 $1, ya, X24 \
	VADDPS        X24, xa, xa \
	VMOVSS        xa, offset(OUT) \
	VEXTRACTPS    $1, xa, offset(OUT)(STRIDE*1) \
	VEXTRACTPS    $2, xa, offset(OUT)(STRIDE*2) \
	VEXTRACTPS    $3, xa, offset(OUT)(STRIDE3*1)
