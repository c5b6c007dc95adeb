package kernels

//go:noescape
func sumFloats(x *float32, n int) float64

//go:noescape
func sumSquares(x *float32, n int, mean float64) float64

//go:noescape
func normApply(dst, x, gain, bias *float32, n int, gainStep, biasStep uintptr, mean, inverse float64)

//go:noescape
func rotateVector(a, b, cos, sin *float32, n int)

// normVector is normGo with vectors; the width is a multiple of 8.
func normVector(y, x, gain, bias []float32, kind NormKind, eps float32) {
	n := len(x)
	var mean float64
	if kind == LayerNorm || kind == SampleNorm {
		mean = sumFloats(&x[0], n) / float64(n)
	}
	inverse := inverseNorm(kind, sumSquares(&x[0], n, mean), n, float64(eps))
	g, gStep := &vectorConstants[12][0], uintptr(0)
	if gain != nil {
		g, gStep = &gain[0], 32
	}
	b, bStep := &zeros[0], uintptr(0)
	if bias != nil {
		b, bStep = &bias[0], 32
	}
	normApply(&y[0], &x[0], g, b, n, gStep, bStep, mean, inverse)
}

// rotateHead is rotateHalves with vectors.
func rotateHead(head, cos, sin []float32) {
	whole := len(cos) / 8 * 8
	if whole > 0 {
		rotateVector(&head[0], &head[len(cos)], &cos[0], &sin[0], whole)
	}
	for i := whole; i < len(cos); i++ {
		a, b := head[i], head[len(cos)+i]
		head[i] = a*cos[i] - b*sin[i]
		head[len(cos)+i] = b*cos[i] + a*sin[i]
	}
}

// topBlock is how many values TopPerRow passes over at once when none can be among the first.
const topBlock = 64

// offerRow offers the values of a row whose blocks hold one that would be kept, and
// returns how many it has looked at: a multiple of topBlock.
func offerRow(best *top[FeatureValue], row []float32) int {
	var largest [32]float32
	done := 0
	for done+topBlock <= len(row) {
		blocks := min((len(row)-done)/topBlock, len(largest))
		maxRows(&largest[0], &row[done], topBlock*4, topBlock/8, blocks)
		for _, m := range largest[:blocks] {
			if best.admits(m, done) {
				for i, v := range row[done : done+topBlock] {
					best.offer(FeatureValue{done + i, v})
				}
			}
			done += topBlock
		}
	}
	return done
}
