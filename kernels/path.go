package kernels

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

// path is the instruction set that the CPU device uses.
type path uint8

// The paths, in ascending order of speed.
const (
	pathGeneric path = iota // plain Go
	pathAVX2                // AVX2, FMA and F16C
	pathAVX512              // AVX-512 F, BW, DQ and VL
)

var pathNames = [...]string{pathGeneric: "generic", pathAVX2: "avx2", pathAVX512: "avx512"}

// pathByName finds a path by its public name.
func pathByName(name string) (path, bool) {
	for i, n := range pathNames {
		if n == name {
			return path(i), true
		}
	}
	return 0, false
}

// supported reports whether this machine and this build can run p.
func (p path) supported() bool {
	switch p {
	case pathAVX2:
		return haveAssembly && cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C
	case pathAVX512:
		return pathAVX2.supported() && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW &&
			cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
	}
	return true
}

// BestPath returns the fastest path of this machine: "avx512", "avx2" or "generic".
func BestPath() string {
	for p := pathAVX512; p > pathGeneric; p-- {
		if p.supported() {
			return pathNames[p]
		}
	}
	return pathNames[pathGeneric]
}

// HasPath reports whether this machine can run the path of that name.
func HasPath(name string) bool {
	p, known := pathByName(name)
	return known && p.supported()
}

// PathFromEnv reads NPINF_CPU, which disables faster paths in the field, through
// getenv (os.Getenv). The empty string means the best path. A name that is not a path,
// or one that this machine lacks, is an error.
func PathFromEnv(getenv func(string) string) (string, error) {
	name := getenv("NPINF_CPU")
	if name == "" {
		return "", nil
	}
	if _, err := resolvePath(name); err != nil {
		return "", fmt.Errorf("NPINF_CPU: %w", err)
	}
	return name, nil
}

// resolvePath turns a path's name, or "" for the best, into a path.
func resolvePath(name string) (path, error) {
	if name == "" {
		name = BestPath()
	}
	p, known := pathByName(name)
	if !known {
		return 0, fmt.Errorf("unknown CPU path %q: use generic, avx2 or avx512", name)
	}
	if !p.supported() {
		return 0, fmt.Errorf("this machine has no %s: use %s or leave the choice to npinf", name, BestPath())
	}
	return p, nil
}
