// The panel kernel for AVX2, included once per weight type with these defined: NAME,
// SIZE (bytes of a weight), ROW(w, x, b, a0, a1) (one weight, widened into b by way of its
// lower half x, times the two vectors of x in Y12 and Y13).

#define STEP(k) \
	VMOVUPS (k*64)(X), Y12 \
	VMOVUPS (k*64+32)(X), Y13 \
	ROW((k*SIZE)(W0), X14, Y14, Y0, Y1) \
	ROW((k*SIZE)(W0)(LD*1), X15, Y15, Y2, Y3) \
	ROW((k*SIZE)(W0)(LD*2), X14, Y14, Y4, Y5) \
	ROW((k*SIZE)(W3), X15, Y15, Y6, Y7) \
	ROW((k*SIZE)(W3)(LD*1), X14, Y14, Y8, Y9) \
	ROW((k*SIZE)(W3)(LD*2), X15, Y15, Y10, Y11)

// func NAME(args *panelArgs)
// 6 weight rows × 16 rows of x.
TEXT NAME(SB), NOSPLIT, $0-8
	MOVQ args+0(FP), R14
	MOVQ 0(R14), W0
	MOVQ 8(R14), NEXT
	MOVQ 16(R14), LD
	MOVQ 24(R14), X
	MOVQ 32(R14), OUT
	MOVQ 40(R14), STRIDE
	MOVQ 48(R14), N
	LEAQ (LD)(LD*2), R15
	LEAQ (W0)(R15*1), W3
	LEAQ (NEXT)(R15*1), NEXT3
	ZERO(Y0, Y1, Y2)
	ZERO(Y3, Y4, Y5)
	ZERO(Y6, Y7, Y8)
	ZERO(Y9, Y10, Y11)
	SUBQ $16, N
	JLT  tail

block: // 16 k: at most a cache line of every weight row
	TESTQ NEXT, NEXT
	JEQ   quiet
	PREFETCHT0 (NEXT)
	PREFETCHT0 (NEXT)(LD*1)
	PREFETCHT0 (NEXT)(LD*2)
	PREFETCHT0 (NEXT3)
	PREFETCHT0 (NEXT3)(LD*1)
	PREFETCHT0 (NEXT3)(LD*2)
	ADDQ $(16*SIZE), NEXT
	ADDQ $(16*SIZE), NEXT3

quiet:
	MOVQ $4, COUNT

	PCALIGN $32
steps:
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	ADDQ $(4*SIZE), W0
	ADDQ $(4*SIZE), W3
	ADDQ $256, X
	DECQ COUNT
	JNE  steps
	SUBQ $16, N
	JGE  block

tail:
	ADDQ $16, N
	JEQ  done

single:
	STEP(0)
	ADDQ $SIZE, W0
	ADDQ $SIZE, W3
	ADDQ $64, X
	DECQ N
	JNE  single

done:
	LEAQ (STRIDE)(STRIDE*2), R15
	ADDQ OUT, R15
	CMPQ 56(R14), $0
	JEQ  store
	SUM2((OUT), Y0, Y1)
	SUM2((OUT)(STRIDE*1), Y2, Y3)
	SUM2((OUT)(STRIDE*2), Y4, Y5)
	SUM2((R15), Y6, Y7)
	SUM2((R15)(STRIDE*1), Y8, Y9)
	SUM2((R15)(STRIDE*2), Y10, Y11)

store:
	STORE2((OUT), Y0, Y1)
	STORE2((OUT)(STRIDE*1), Y2, Y3)
	STORE2((OUT)(STRIDE*2), Y4, Y5)
	STORE2((R15), Y6, Y7)
	STORE2((R15)(STRIDE*1), Y8, Y9)
	STORE2((R15)(STRIDE*2), Y10, Y11)
	VZEROUPPER
	RET

#undef STEP
