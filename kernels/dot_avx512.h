// The dot kernels for AVX-512, included once per weight type with these defined:
// DOT1, DOT4 (names), LOAD(w, z) (16 weights at w + IDX, widened).

// func DOT1(args *dotArgs)
// One row of x × four weight rows, k in the lanes: as fast as memory delivers.
TEXT DOT1(SB), NOSPLIT, $0-8
	ARGUMENTS

step:
	XORQ IDX, IDX
	ZERO4(Z0, Z1, Z2, Z3)

loop:
	VMOVUPS     (S0)(IDX*4), Z16
	AHEAD(W0)
	LOAD(W0, Z20)
	AHEAD(W1)
	LOAD(W1, Z21)
	AHEAD(W2)
	LOAD(W2, Z22)
	AHEAD(W3)
	LOAD(W3, Z23)
	VFMADD231PS Z16, Z20, Z0
	VFMADD231PS Z16, Z21, Z1
	VFMADD231PS Z16, Z22, Z2
	VFMADD231PS Z16, Z23, Z3
	ADDQ        $16, IDX
	CMPQ        IDX, N
	JLT         loop
	REDUCE(0, Z0, Y0, X0, Z1, Y1, Z2, Y2, Z3, Y3)
	ADVANCE
	JNE step
	VZEROUPPER
	RET

// func DOT4(args *dotArgs)
// Four rows of x × four weight rows.
TEXT DOT4(SB), NOSPLIT, $0-8
	ARGUMENTS

step:
	XORQ IDX, IDX
	ZERO4(Z0, Z1, Z2, Z3)
	ZERO4(Z4, Z5, Z6, Z7)
	ZERO4(Z8, Z9, Z10, Z11)
	ZERO4(Z12, Z13, Z14, Z15)

loop:
	VMOVUPS (S0)(IDX*4), Z16
	VMOVUPS (S1)(IDX*4), Z17
	VMOVUPS (S2)(IDX*4), Z18
	VMOVUPS (S3)(IDX*4), Z19
	AHEAD(W0)
	LOAD(W0, Z20)
	FMA4(Z20, Z0, Z4, Z8, Z12)
	AHEAD(W1)
	LOAD(W1, Z21)
	FMA4(Z21, Z1, Z5, Z9, Z13)
	AHEAD(W2)
	LOAD(W2, Z22)
	FMA4(Z22, Z2, Z6, Z10, Z14)
	AHEAD(W3)
	LOAD(W3, Z23)
	FMA4(Z23, Z3, Z7, Z11, Z15)
	ADDQ    $16, IDX
	CMPQ    IDX, N
	JLT     loop
	REDUCE(0, Z0, Y0, X0, Z1, Y1, Z2, Y2, Z3, Y3)
	REDUCE(4, Z4, Y4, X4, Z5, Y5, Z6, Y6, Z7, Y7)
	REDUCE(8, Z8, Y8, X8, Z9, Y9, Z10, Y10, Z11, Y11)
	REDUCE(12, Z12, Y12, X12, Z13, Y13, Z14, Y14, Z15, Y15)
	ADVANCE
	JNE step
	VZEROUPPER
	RET
