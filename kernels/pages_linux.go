package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// adviseHuge asks for huge pages: faulting in 4 KiB pages takes longer than filling them. It is
// only advice: without it everything works, a little slower.
func adviseHuge(data []byte) {
	skip := int(-uintptr(unsafe.Pointer(&data[0])) & (hugePage - 1))
	if whole := (len(data) - skip) / hugePage * hugePage; whole > 0 {
		_ = unix.Madvise(data[skip:skip+whole], unix.MADV_HUGEPAGE)
	}
}
