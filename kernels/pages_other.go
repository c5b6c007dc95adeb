//go:build !linux

package kernels

// adviseHuge does nothing: the system chooses.
func adviseHuge([]byte) {}
