package kernels

import "math"

// BF16ToF32 widens a bfloat16; it is exact.
func BF16ToF32(u uint16) float32 { return math.Float32frombits(uint32(u) << 16) }

// F16ToF32 widens an IEEE half; it is exact, subnormals included.
func F16ToF32(u uint16) float32 {
	sign := uint32(u&0x8000) << 16
	exponent := uint32(u>>10) & 0x1f
	fraction := uint32(u & 0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction · 2⁻²⁴
		magnitude := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(magnitude))
	case 0x1f: // infinity or NaN
		if fraction != 0 {
			fraction |= 0x200 // quiet, as the processor's own conversion makes it
		}
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// F32ToBF16 rounds to the nearest bfloat16, ties to even. A NaN stays a NaN.
func F32ToBF16(f float32) uint16 {
	bits := math.Float32bits(f)
	if f != f {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// F32ToF16 rounds to the nearest IEEE half, ties to even. Values too large become
// infinite and a NaN stays a NaN.
func F32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 0x7fffffff
	switch {
	case bits > 0x7f800000:
		return sign | 0x7e00
	case bits >= 0x477ff000: // 65520 and above round to infinity
		return sign | 0x7c00
	case bits < 0x38800000: // below 2⁻¹⁴: the result is a multiple of 2⁻²⁴
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(bits))*(1<<24)))
	}
	return sign | uint16((bits-112<<23+0xfff+bits>>13&1)>>13)
}

// BF16sToF32s widens src into dst, which must be at least as long.
func BF16sToF32s(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, u := range src {
		dst[i] = BF16ToF32(u)
	}
}

// F16sToF32s widens src into dst, which must be at least as long.
func F16sToF32s(dst []float32, src []uint16) {
	dst = dst[:len(src)]
	for i, u := range src {
		dst[i] = F16ToF32(u)
	}
}

// F32sToBF16s rounds src into dst, which must be at least as long.
func F32sToBF16s(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = F32ToBF16(f)
	}
}

// F32sToF16s rounds src into dst, which must be at least as long.
func F32sToF16s(dst []uint16, src []float32) {
	dst = dst[:len(src)]
	for i, f := range src {
		dst[i] = F32ToF16(f)
	}
}
