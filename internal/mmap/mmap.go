// Package mmap maps files into memory for reading and allocates memory outside the Go heap.
//
// Weights are many gigabytes that never change, so they are neither copied nor shown to the garbage collector.
// A mapped file must not be truncated while it is mapped: touching the lost pages kills the process.
package mmap

import (
	"fmt"
	"math"
	"os"
	"sync"
	"unsafe"
)

// Map maps the whole file at path read-only. The returned unmap is idempotent; data must not be touched after it.
// Writing to data faults. A file of zero bytes gives an empty slice.
func Map(path string) (data []byte, unmap func() error, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // the mapping outlives the descriptor
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("map %s: not a regular file", path)
	}
	if info.Size() == 0 {
		return []byte{}, func() error { return nil }, nil
	}
	if info.Size() > math.MaxInt {
		return nil, nil, fmt.Errorf("map %s: %d bytes are more than this machine can address", path, info.Size())
	}
	data, free, err := mapFile(file, int(info.Size()))
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", path, err)
	}
	return data, sync.OnceValue(free), nil
}

// Drop tells the system that the pages which lie whole in data, a part of a mapped file, need not stay in memory. They
// come back from the file when they are touched. It must never be given memory from Allocate, which would lose its content.
func Drop(data []byte) {
	page := os.Getpagesize()
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(data))) & uintptr(page-1))
	if whole := (len(data) - skip) / page * page; whole > 0 {
		drop(data[skip : skip+whole])
	}
}

// Allocate returns size zeroed bytes outside the Go heap, and an error instead of a crash where the system has not
// that much. The returned free is idempotent; data must not be touched after it.
func Allocate(size int64) (data []byte, free func() error, err error) {
	if size == 0 {
		return []byte{}, func() error { return nil }, nil
	}
	if size < 0 || size > math.MaxInt {
		return nil, nil, fmt.Errorf("allocate %d bytes: not a size this machine can address", size)
	}
	data, free, err = allocate(int(size))
	if err != nil {
		return nil, nil, fmt.Errorf("allocate %d bytes: %w", size, err)
	}
	return data, sync.OnceValue(free), nil
}
