package hub

import (
	"os"
	"slices"
	"sync"
	"unsafe"

	"npinf/internal/mmap"
)

// mapped remembers the files that a snapshot has mapped: of all that Read gives, only their pages can be dropped and
// come back.
type mapped struct {
	mu    sync.Mutex
	files [][]byte
}

// Drop says that data, a part of what Read gave, will hardly be read again: its pages need not stay in memory.
// It is slower to read from then on, and unchanged.
func (m *mapped) Drop(data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holds(data) {
		mmap.Drop(data)
	}
}

// Mapped reports whether data lies in a mapped file. Others are in memory as a whole until they are released.
func (m *mapped) Mapped(data []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds(data)
}

// holds is Mapped for who holds the lock.
func (m *mapped) holds(data []byte) bool {
	return slices.ContainsFunc(m.files, func(file []byte) bool { return within(data, file) })
}

// within reports whether part lies in the memory of whole.
func within(part, whole []byte) bool {
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	start := uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	return len(part) > 0 && begin >= start && begin+uintptr(len(part)) <= start+uintptr(len(whole))
}

// readLocal maps a file, or reads it where mapping is unwanted.
func (m *mapped) readLocal(path string, noMap bool) ([]byte, func(), error) {
	if noMap {
		data, err := os.ReadFile(path)
		return data, func() {}, err
	}
	data, unmap, err := mmap.Map(path)
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	m.files = append(m.files, data)
	m.mu.Unlock()
	return data, sync.OnceFunc(func() {
		m.forget(data)
		_ = unmap()
	}), nil
}

// forget takes a file off the list before it is unmapped.
func (m *mapped) forget(data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files = slices.DeleteFunc(m.files, func(file []byte) bool {
		return unsafe.SliceData(file) == unsafe.SliceData(data)
	})
}
