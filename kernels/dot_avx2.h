// The dot kernels for AVX2, included once per weight type with these defined:
// DOT1, DOT3 (names), LOAD(w, y) (8 weights at w + IDX, widened).

// func DOT1(args *dotArgs)
// One row of x × four weight rows, k in the lanes.
TEXT DOT1(SB), NOSPLIT, $0-8
	ARGUMENTS

step:
	XORQ IDX, IDX
	ZERO4(Y0, Y1, Y2, Y3)

loop:
	VMOVUPS     (S0)(IDX*4), Y12
	AHEAD(W0)
	LOAD(W0, Y8)
	AHEAD(W1)
	LOAD(W1, Y9)
	AHEAD(W2)
	LOAD(W2, Y10)
	AHEAD(W3)
	LOAD(W3, Y11)
	VFMADD231PS Y12, Y8, Y0
	VFMADD231PS Y12, Y9, Y1
	VFMADD231PS Y12, Y10, Y2
	VFMADD231PS Y12, Y11, Y3
	ADDQ        $8, IDX
	CMPQ        IDX, N
	JLT         loop
	REDUCE(0, Y0, X0, Y1, Y2, Y3)
	ADVANCE
	JNE step
	VZEROUPPER
	RET

// func DOT3(args *dotArgs)
// Three rows of x × four weight rows.
TEXT DOT3(SB), NOSPLIT, $0-8
	ARGUMENTS

step:
	XORQ IDX, IDX
	ZERO4(Y0, Y1, Y2, Y3)
	ZERO4(Y4, Y5, Y6, Y7)
	ZERO4(Y8, Y9, Y10, Y11)

loop:
	VMOVUPS (S0)(IDX*4), Y12
	VMOVUPS (S1)(IDX*4), Y13
	VMOVUPS (S2)(IDX*4), Y14
	AHEAD(W0)
	LOAD(W0, Y15)
	FMA3(Y15, Y0, Y4, Y8)
	AHEAD(W1)
	LOAD(W1, Y15)
	FMA3(Y15, Y1, Y5, Y9)
	AHEAD(W2)
	LOAD(W2, Y15)
	FMA3(Y15, Y2, Y6, Y10)
	AHEAD(W3)
	LOAD(W3, Y15)
	FMA3(Y15, Y3, Y7, Y11)
	ADDQ    $8, IDX
	CMPQ    IDX, N
	JLT     loop
	REDUCE(0, Y0, X0, Y1, Y2, Y3)
	REDUCE(4, Y4, X4, Y5, Y6, Y7)
	REDUCE(8, Y8, X8, Y9, Y10, Y11)
	ADVANCE
	JNE step
	VZEROUPPER
	RET
