package mmap

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func mapFile(file *os.File, size int) ([]byte, func() error, error) {
	section, err := windows.CreateFileMapping(windows.Handle(file.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, nil, err
	}
	defer windows.CloseHandle(section) // the view keeps the section alive
	address, err := windows.MapViewOfFile(section, windows.FILE_MAP_READ, 0, 0, uintptr(size))
	if err != nil {
		return nil, nil, err
	}
	return slice(address, size), func() error { return windows.UnmapViewOfFile(address) }, nil
}

// drop leaves the choice to the system, which takes pages of files away when it needs them.
func drop([]byte) {}

func allocate(size int) ([]byte, func() error, error) {
	address, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, nil, err
	}
	return slice(address, size), func() error { return windows.VirtualFree(address, 0, windows.MEM_RELEASE) }, nil
}

// slice views size bytes at an address that the system gave and the garbage collector does not own.
func slice(address uintptr, size int) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size)
}
