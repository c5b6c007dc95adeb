package kernels

import (
	"fmt"
	"unsafe"

	"npinf/internal/mmap"
)

// largeMemory is the size from which memory lies outside the Go heap. The collector lets garbage
// grow to the size of what is alive: beside a gigabyte of weights in the heap, requests would
// leave a gigabyte of it.
const largeMemory = 1 << 20

// memory holds the values of a weight or buffer.
type memory[T float32 | uint16 | int8] struct {
	values []T
	free   func() // nil for memory that the collector or somebody else owns
}

// plain is memory that is not the device's.
func plain[T float32 | uint16 | int8](values []T) memory[T] { return memory[T]{values: values} }

// newMemory gives n zeros. Large ones ask for huge pages before the first touch.
func newMemory[T float32 | uint16 | int8](n int) (memory[T], error) {
	var element T
	size := n * int(unsafe.Sizeof(element))
	if size < largeMemory {
		return plain(make([]T, n)), nil
	}
	data, free, err := mmap.Allocate(int64(size))
	if err != nil {
		return memory[T]{}, fmt.Errorf("%w; choose a smaller model, fewer sources or fewer requests at a time", err)
	}
	adviseHuge(data)
	return memory[T]{unsafe.Slice((*T)(unsafe.Pointer(&data[0])), n), func() { _ = free() }}, nil
}

// release gives the values back.
func (m memory[T]) release() {
	if m.free != nil {
		m.free()
	}
}
