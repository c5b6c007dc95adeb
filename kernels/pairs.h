// AVX512_BF16 instructions on 512-bit registers, which Go's assembler does not know, byte by
// byte. a, b and d are register numbers, 0 to 31; b is the last source in Intel's order.
//
//	62, R X B R' 0 m m m, W v v v v 1 p p, z L'L b V' a a a, opcode, 11 d d d b b b
//
// m is 2 (the map 0F38), L'L 2 (512 bits), W, z, b and the mask a are 0. p is 2 or 3, for the
// prefixes F3 and F2. R' and R extend the register d, X and B the register b, V' and v hold
// the register a; these seven are stored inverted, which is why they are XORed into ones.

#define EVEX512(p, opcode, d, a, b) \
	BYTE $0x62 \
	BYTE $(0xf2 ^ ((d & 16) | ((d & 8) << 4) | ((b & 16) << 2) | ((b & 8) << 2))) \
	BYTE $((0x7c | p) ^ ((a & 15) << 3)) \
	BYTE $(0x48 ^ ((a & 16) >> 1)) \
	BYTE $opcode \
	BYTE $(0xc0 | ((d & 7) << 3) | (b & 7))

// VDPBF16PS b, a, d: in each 32-bit lane d += a1·b1, then d += a0·b0, of bfloat16 pairs, whose
// first element lies in the low half. Subnormal inputs and results count as zero.
#define DP(d, a, b) EVEX512(2, 0x52, d, a, b)

// VCVTNE2PS2BF16 b, a, d: d is the 16 numbers of b, then those of a, as bfloat16: the nearest,
// ties to even, subnormal ones as zero, a NaN as a quiet one.
#define ROUND2(d, a, b) EVEX512(3, 0x72, d, a, b)
