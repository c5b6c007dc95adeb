package kernels

import "math"

// vectorConstants are the numbers of math_amd64.s, one for each lane. The polynomials are
// minimax fits of the relative error, highest power first.
var vectorConstants = lanes(
	// 0: exp. log2(e); 1.5·2²³, whose sum with a small number is an integer; ln 2 in two
	// parts; the range beyond which the result is infinite or zero.
	math.Log2E, 1.5*(1<<23), 0.693359375, -2.12194440e-4, 89, -87,
	// 6: (exp(r) - 1 - r) / r², |r| <= ln(2)/2, error 3e-9.
	1.98577996e-4, 1.39335974e-3, 8.33336078e-3, 4.16664667e-2, 0.16666667, 0.5,
	// 12: one, the exponent's bias (an integer), the mask of all but the sign, a half.
	1, math.Float32frombits(127), math.Float32frombits(0x7fffffff), 0.5,
	// 16: (Φ(x) - 1/2) / x by x², |x| <= 1.25, error 1e-8.
	-6.80949189e-6, 1.11041125e-4, -1.18383719e-3, 9.97228269e-3, -6.64902106e-2, 0.398942262,
	// 22: Φ(-a) · exp(a²/2) / t by t = 1 / (1 + 0.3·a), a >= 1.25, error 3e-8.
	2.23759413e-2, -0.113737114, 0.147327676, -1.06348889e-2, 0.110398993, 0.104336761, 0.12017905, 0.11966005,
	0.3, 1.25, // 30
	// 32: (tanh(y) - y) / y³ by y², |y| <= 0.625, error 5e-9.
	2.29282980e-3, -8.34402908e-3, 2.17689481e-2, -5.39592654e-2, 0.133333042, -0.333333343,
	0.625, -0.5, 2, // 38
	1e4, -1e4, // 41: beyond these a sigmoid is constant, while squares may overflow
)

func lanes(values ...float32) (table [43][8]float32) {
	for i, v := range values {
		for j := range table[i] {
			table[i][j] = v
		}
	}
	return table
}

// expSum computes dst[i] = exp(src[i] - shift) and returns the sum.
//
//go:noescape
func expSum(dst, src *float32, n int, shift float32) float32

// sigmoidProduct computes dst[i] = src[i]·σ(z), or σ(z) alone when one is not 0, where
// z = src[i]·(c1 + c3·src[i]²).
//
//go:noescape
func sigmoidProduct(dst, src *float32, n int, c1, c3 float32, one uint32)

// geluErf computes dst[i] = src[i]·Φ(src[i]).
//
//go:noescape
func geluErf(dst, src *float32, n int)

// tanhCap computes dst[i] = limit·tanh(src[i]/limit).
//
//go:noescape
func tanhCap(dst, src *float32, n int, limit float32)

// addVector computes dst[i] = a[i] + b[i]; mulVector dst[i] = a[i]·b[i].
//
//go:noescape
func addVector(dst, a, b *float32, n int)

//go:noescape
func mulVector(dst, a, b *float32, n int)

// lanesExpSum computes s[j][l] = exp(s[j][l] - max of column l) and puts the columns'
// sums into sum. A column starts from the maximum that lies in maximum[l]. There are
// count rows of 8·groups columns.
//
//go:noescape
func lanesExpSum(s, maximum, sum *float32, count, groups int)

// lanesScale computes s[j][l] *= factor[l].
//
//go:noescape
func lanesScale(s, factor *float32, count, groups int)

// weightedRows computes dst[c] = sum over j < count, ascending, of p[j]·rows[j][c], for
// columns c < 8·groups; rows lie a stride of bytes apart.
//
//go:noescape
func weightedRows(dst, p, rows *float32, stride uintptr, count, groups int)

// activateVector is activateGo with vectors; f is not Identity or ReLU. dst may be src.
func activateVector(dst, src []float32, f Activation) {
	const gelu1 = 2 * 0.7978845608028654 // 2·sqrt(2/π): 0.5·(1 + tanh(u)) = σ(2u)
	whole := len(src) / 8 * 8
	if whole > 0 {
		d, s := &dst[0], &src[0]
		switch f {
		case GELU:
			geluErf(d, s, whole)
		case GELUTanh:
			sigmoidProduct(d, s, whole, gelu1, gelu1*0.044715, 0)
		case SiLU:
			sigmoidProduct(d, s, whole, 1, 0, 0)
		case QuickGELU:
			sigmoidProduct(d, s, whole, 1.702, 0, 0)
		case Sigmoid:
			sigmoidProduct(d, s, whole, 1, 0, ^uint32(0))
		}
	}
	if whole < len(src) {
		var rest [8]float32
		n := copy(rest[:], src[whole:])
		activateVector(rest[:], rest[:], f)
		copy(dst[whole:whole+n], rest[:n])
	}
}

// softcapVector is softcapGo with vectors. dst may be src.
func softcapVector(dst, src []float32, limit float32) {
	whole := len(src) / 8 * 8
	if whole > 0 {
		tanhCap(&dst[0], &src[0], whole, limit)
	}
	if whole < len(src) {
		var rest [8]float32
		n := copy(rest[:], src[whole:])
		tanhCap(&rest[0], &rest[0], 8, limit)
		copy(dst[whole:whole+n], rest[:n])
	}
}

// softmaxVector is softmaxGo with vectors.
func softmaxVector(scores []float32, sink float32) {
	largest := sink
	whole := len(scores) / 8 * 8
	if whole > 0 {
		var m float32
		maxRows(&m, &scores[0], 0, whole/8, 1)
		largest = max(largest, m)
	}
	for _, s := range scores[whole:] {
		largest = max(largest, s)
	}
	if math.IsInf(float64(largest), -1) {
		clear(scores)
		return
	}
	sum := float32(math.Exp(float64(sink - largest)))
	if whole > 0 {
		sum += expSum(&scores[0], &scores[0], whole, largest)
	}
	for i := whole; i < len(scores); i++ {
		scores[i] = float32(math.Exp(float64(scores[i] - largest)))
		sum += scores[i]
	}
	inverse := 1 / sum
	for i := range scores {
		scores[i] *= inverse
	}
}

// addRow computes dst = a + b, mulRow dst = a · b.
func addRow(dst, a, b []float32) {
	whole := len(dst) / 8 * 8
	if whole > 0 {
		addVector(&dst[0], &a[0], &b[0], whole)
	}
	addGo(dst[whole:], a[whole:], b[whole:])
}

func mulRow(dst, a, b []float32) {
	whole := len(dst) / 8 * 8
	if whole > 0 {
		mulVector(&dst[0], &a[0], &b[0], whole)
	}
	mulGo(dst[whole:], a[whole:], b[whole:])
}
