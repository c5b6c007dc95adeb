package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	hugePage = 2 << 20
	// hugeWeight is the size from which a weight asks for huge pages.
	hugeWeight = 4 << 20
)

// newWeightData allocates n elements that will be written once and read for ever. Large
// ones ask for huge pages before the first touch: faulting in 4 KiB pages takes longer
// than filling them.
func newWeightData[T float32 | uint16 | int8](n int) []T {
	s := make([]T, n)
	var element T
	size := n * int(unsafe.Sizeof(element))
	if size < hugeWeight {
		return s
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), size)
	skip := int(-uintptr(unsafe.Pointer(&s[0])) & (hugePage - 1))
	if whole := (size - skip) / hugePage * hugePage; whole > 0 {
		// Only advice: without it everything works, a little slower.
		_ = unix.Madvise(bytes[skip:skip+whole], unix.MADV_HUGEPAGE)
	}
	return s
}
