package kernels

import "math"

// expSumBlocks sums exp(v - shift) over the part of row that vectors cover and says how long
// it is. The partial sums of a block are float32, those of blocks float64.
func expSumBlocks(row []float32, shift float32) (sum float64, done int) {
	var block [1024]float32
	whole := len(row) / 8 * 8
	for done < whole {
		n := min(len(block), whole-done)
		sum += float64(expSum(&block[0], &row[done], n, shift))
		done += n
	}
	return sum, done
}

// maxBlock is the maximum of the part of row that vectors cover, NaN when it holds one, and
// says how long that part is. In Go the search took a fifth of a logit lens.
func maxBlock(row []float32) (most float32, done int) {
	vectors := len(row) / 8
	if vectors == 0 {
		return float32(math.Inf(-1)), 0
	}
	maxRows(&most, &row[0], 0, vectors, 1)
	return most, vectors * 8
}
