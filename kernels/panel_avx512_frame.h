// What the panel kernels for AVX-512 have in common: registers, the arguments (panelArgs
// in asm_amd64.go), prefetching and the end of a tile.

#define W0 AX // weight rows 0 to 3: W0, +LD, +2LD, +LD3
#define W4 BX // weight rows 4 to 7
#define LD CX
#define LD3 DX
#define X SI
#define OUT DI
#define STRIDE R8
#define N R9
#define NEXT R10 // the weight rows of the next tile, to be prefetched; 0 = none
#define NEXT4 R11
#define STRIDE3 R12
#define COUNT R13

#define ARGUMENTS \
	MOVQ args+0(FP), R14 \
	MOVQ 0(R14), W0 \
	MOVQ 8(R14), NEXT \
	MOVQ 16(R14), LD \
	MOVQ 24(R14), X \
	MOVQ 32(R14), OUT \
	MOVQ 40(R14), STRIDE \
	MOVQ 48(R14), N \
	LEAQ (LD)(LD*2), LD3 \
	LEAQ (W0)(LD*4), W4 \
	LEAQ (NEXT)(LD*4), NEXT4 \
	LEAQ (STRIDE)(STRIDE*2), STRIDE3

#define PREFETCH8 \
	PREFETCHT0 (NEXT) \
	PREFETCHT0 (NEXT)(LD*1) \
	PREFETCHT0 (NEXT)(LD*2) \
	PREFETCHT0 (NEXT)(LD3*1) \
	PREFETCHT0 (NEXT4) \
	PREFETCHT0 (NEXT4)(LD*1) \
	PREFETCHT0 (NEXT4)(LD*2) \
	PREFETCHT0 (NEXT4)(LD3*1)

#define ZERO(a, b, c, d) \
	VPXORD a, a, a \
	VPXORD b, b, b \
	VPXORD c, c, c \
	VPXORD d, d, d

#define ADVANCE(k, size) \
	ADDQ $(k*size), W0 \
	ADDQ $(k*size), W4

#define SUM2(o, a0, a1) \
	VADDPS o, a0, a0 \
	VADDPS 64 o, a1, a1

#define STORE2(o, a0, a1) \
	VMOVUPS a0, o \
	VMOVUPS a1, 64 o

// Adds the 8×32 tile to what is stored, when args.accumulate says so, and stores it.
#define FINISH8x32(store) \
	LEAQ  (OUT)(STRIDE*4), R15 \
	CMPQ  56(R14), $0 \
	JEQ   store \
	SUM2((OUT), Z0, Z1) \
	SUM2((OUT)(STRIDE*1), Z2, Z3) \
	SUM2((OUT)(STRIDE*2), Z4, Z5) \
	SUM2((OUT)(STRIDE3*1), Z6, Z7) \
	SUM2((R15), Z8, Z9) \
	SUM2((R15)(STRIDE*1), Z10, Z11) \
	SUM2((R15)(STRIDE*2), Z12, Z13) \
	SUM2((R15)(STRIDE3*1), Z14, Z15)

#define STORE8x32 \
	STORE2((OUT), Z0, Z1) \
	STORE2((OUT)(STRIDE*1), Z2, Z3) \
	STORE2((OUT)(STRIDE*2), Z4, Z5) \
	STORE2((OUT)(STRIDE3*1), Z6, Z7) \
	STORE2((R15), Z8, Z9) \
	STORE2((R15)(STRIDE*1), Z10, Z11) \
	STORE2((R15)(STRIDE*2), Z12, Z13) \
	STORE2((R15)(STRIDE3*1), Z14, Z15)

// Adds the sums over odd k to those over even k.
#define JOIN8x16 \
	VADDPS Z8, Z0, Z0 \
	VADDPS Z9, Z1, Z1 \
	VADDPS Z10, Z2, Z2 \
	VADDPS Z11, Z3, Z3 \
	VADDPS Z12, Z4, Z4 \
	VADDPS Z13, Z5, Z5 \
	VADDPS Z14, Z6, Z6 \
	VADDPS Z15, Z7, Z7

#define FINISH8x16(store) \
	LEAQ   (OUT)(STRIDE*4), R15 \
	CMPQ   56(R14), $0 \
	JEQ    store \
	VADDPS (OUT), Z0, Z0 \
	VADDPS (OUT)(STRIDE*1), Z1, Z1 \
	VADDPS (OUT)(STRIDE*2), Z2, Z2 \
	VADDPS (OUT)(STRIDE3*1), Z3, Z3 \
	VADDPS (R15), Z4, Z4 \
	VADDPS (R15)(STRIDE*1), Z5, Z5 \
	VADDPS (R15)(STRIDE*2), Z6, Z6 \
	VADDPS (R15)(STRIDE3*1), Z7, Z7

#define STORE8x16 \
	VMOVUPS Z0, (OUT) \
	VMOVUPS Z1, (OUT)(STRIDE*1) \
	VMOVUPS Z2, (OUT)(STRIDE*2) \
	VMOVUPS Z3, (OUT)(STRIDE3*1) \
	VMOVUPS Z4, (R15) \
	VMOVUPS Z5, (R15)(STRIDE*1) \
	VMOVUPS Z6, (R15)(STRIDE*2) \
	VMOVUPS Z7, (R15)(STRIDE3*1)
