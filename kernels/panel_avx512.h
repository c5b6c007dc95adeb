// The panel kernels for AVX-512, included once per weight type with these defined:
// PANEL32, PANEL16 (names), SIZE (bytes of a weight), LOAD(w, y, z) (one weight, widened
// into all lanes of z by way of its lower half y).

// One weight times two vectors of x.
#define ROW(w, y, z, a0, a1) \
	LOAD(w, y, z) \
	VFMADD231PS Z16, z, a0 \
	VFMADD231PS Z17, z, a1

#define STEP(k) \
	VMOVUPS (k*128)(X), Z16 \
	VMOVUPS (k*128+64)(X), Z17 \
	ROW((k*SIZE)(W0), Y18, Z18, Z0, Z1) \
	ROW((k*SIZE)(W0)(LD*1), Y19, Z19, Z2, Z3) \
	ROW((k*SIZE)(W0)(LD*2), Y18, Z18, Z4, Z5) \
	ROW((k*SIZE)(W0)(LD3*1), Y19, Z19, Z6, Z7) \
	ROW((k*SIZE)(W4), Y18, Z18, Z8, Z9) \
	ROW((k*SIZE)(W4)(LD*1), Y19, Z19, Z10, Z11) \
	ROW((k*SIZE)(W4)(LD*2), Y18, Z18, Z12, Z13) \
	ROW((k*SIZE)(W4)(LD3*1), Y19, Z19, Z14, Z15)

// Even and odd k have sums of their own: eight would wait for each other.
#define HALFROW(x, w, y, z, a) \
	LOAD(w, y, z) \
	VFMADD231PS x, z, a

#define HALFSTEP(k, x, a0, a1, a2, a3, a4, a5, a6, a7) \
	VMOVUPS (k*64)(X), x \
	HALFROW(x, (k*SIZE)(W0), Y18, Z18, a0) \
	HALFROW(x, (k*SIZE)(W0)(LD*1), Y19, Z19, a1) \
	HALFROW(x, (k*SIZE)(W0)(LD*2), Y18, Z18, a2) \
	HALFROW(x, (k*SIZE)(W0)(LD3*1), Y19, Z19, a3) \
	HALFROW(x, (k*SIZE)(W4), Y18, Z18, a4) \
	HALFROW(x, (k*SIZE)(W4)(LD*1), Y19, Z19, a5) \
	HALFROW(x, (k*SIZE)(W4)(LD*2), Y18, Z18, a6) \
	HALFROW(x, (k*SIZE)(W4)(LD3*1), Y19, Z19, a7)

#define EVENSTEP(k) HALFSTEP(k, Z16, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
#define ODDHALF(k) HALFSTEP(k, Z17, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15)

// func PANEL32(args *panelArgs)
// 8 weight rows × 32 rows of x.
TEXT PANEL32(SB), NOSPLIT, $0-8
	ARGUMENTS
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
	SUBQ $16, N
	JLT  tail

block: // 16 k: at most a cache line of every weight row
	TESTQ NEXT, NEXT
	JEQ   quiet
	PREFETCH8
	ADDQ  $(16*SIZE), NEXT
	ADDQ  $(16*SIZE), NEXT4

quiet:
	MOVQ $4, COUNT

	PCALIGN $32
steps:
	STEP(0)
	STEP(1)
	STEP(2)
	STEP(3)
	ADVANCE(4, SIZE)
	ADDQ $512, X
	DECQ COUNT
	JNE  steps
	SUBQ $16, N
	JGE  block

tail:
	ADDQ $16, N
	JEQ  done

single:
	STEP(0)
	ADVANCE(1, SIZE)
	ADDQ $128, X
	DECQ N
	JNE  single

done:
	FINISH8x32(store)

store:
	STORE8x32
	VZEROUPPER
	RET

// func PANEL16(args *panelArgs)
// 8 weight rows × 16 rows of x.
TEXT PANEL16(SB), NOSPLIT, $0-8
	ARGUMENTS
	ZERO(Z0, Z1, Z2, Z3)
	ZERO(Z4, Z5, Z6, Z7)
	ZERO(Z8, Z9, Z10, Z11)
	ZERO(Z12, Z13, Z14, Z15)
	SUBQ $16, N
	JLT  tail

block:
	TESTQ NEXT, NEXT
	JEQ   quiet
	PREFETCH8
	ADDQ  $(16*SIZE), NEXT
	ADDQ  $(16*SIZE), NEXT4

quiet:
	MOVQ $4, COUNT

	PCALIGN $32
steps:
	EVENSTEP(0)
	ODDHALF(1)
	EVENSTEP(2)
	ODDHALF(3)
	ADVANCE(4, SIZE)
	ADDQ $256, X
	DECQ COUNT
	JNE  steps
	SUBQ $16, N
	JGE  block

tail:
	ADDQ $16, N
	SUBQ $2, N
	JLT  last

pair:
	EVENSTEP(0)
	ODDHALF(1)
	ADVANCE(2, SIZE)
	ADDQ $128, X
	SUBQ $2, N
	JGE  pair

last:
	ADDQ $2, N
	JEQ  done
	EVENSTEP(0)

done:
	JOIN8x16
	FINISH8x16(store)

store:
	STORE8x16
	VZEROUPPER
	RET

#undef ROW
#undef STEP
#undef HALFROW
#undef HALFSTEP
#undef EVENSTEP
#undef ODDHALF
