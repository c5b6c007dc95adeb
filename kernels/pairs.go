package kernels

import "errors"

// HasFastBF16 reports whether this machine can run a device with FastBF16.
func HasFastBF16() bool { return havePairs() }

// Rounds reports whether Linear rounds what it multiplies with w to bfloat16.
func (w *Weight) Rounds() bool { return w.pairs }

// pairable reports whether a device of this path can multiply rounded rows.
func (p path) pairable() error {
	if !havePairs() {
		return errors.New("fast bf16 products need AVX512_BF16, which this machine does not have: leave out --fast-bf16 and NPINF_FAST_BF16")
	}
	if p != pathAVX512 {
		return errors.New("fast bf16 products need the path avx512, not " + pathNames[p] + ": leave out --fast-bf16 and NPINF_FAST_BF16, or --cpu and NPINF_CPU")
	}
	return nil
}

// dotPairsGo returns the sum over k, ascending, of a[k]·b[k], which are bfloat16. It is what
// the kernels for pairs compute, in their own order of summation: the factors are rounded,
// products and sums are float32.
func dotPairsGo(a, b []uint16) float32 {
	var sum float32
	b = b[:len(a)]
	for k, u := range a {
		sum += BF16ToF32(u) * BF16ToF32(b[k])
	}
	return sum
}
