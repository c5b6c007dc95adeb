package kernels

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
