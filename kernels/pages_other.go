//go:build !linux

package kernels

// newWeightData allocates n elements that will be written once and read for ever.
func newWeightData[T float32 | uint16 | int8](n int) []T { return make([]T, n) }
