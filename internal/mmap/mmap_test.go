package mmap

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestMap(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 100_003} {
		want := bytes.Repeat([]byte("neuron."), size/7+1)[:size]
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
		data, unmap, err := Map(path)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(data, want) || data == nil {
			t.Errorf("%d bytes: the mapping differs from the file", size)
		}
		for range 2 {
			if err := unmap(); err != nil {
				t.Errorf("%d bytes: unmap: %v", size, err)
			}
		}
	}
}

func TestMapRefuses(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "absent")} {
		if _, _, err := Map(path); err == nil {
			t.Errorf("Map(%s) succeeded", path)
		}
	}
}

func TestAllocate(t *testing.T) {
	data, free, err := Allocate(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 1<<20 || data[0] != 0 || data[1<<20-1] != 0 {
		t.Errorf("got %d bytes, first %d", len(data), data[0])
	}
	data[1<<20-1] = 1
	for range 2 {
		if err := free(); err != nil {
			t.Error(err)
		}
	}
	if data, _, err := Allocate(0); err != nil || len(data) != 0 {
		t.Errorf("Allocate(0) = %v, %v", data, err)
	}
	for _, size := range []int64{-1, 1 << 62} {
		if _, _, err := Allocate(size); err == nil {
			t.Errorf("Allocate(%d) succeeded", size)
		}
	}
}
