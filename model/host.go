package model

import (
	"math"

	"npinf/kernels"
)

// clamp limits a buffer's values to ±limit. Only OLMo 1 asks for it, so it goes through
// host memory instead of being an operation of every device.
func clamp(device kernels.Device, b kernels.Buffer, limit float32) {
	values := make([]float32, b.Rows*b.Width)
	device.Download(values, b)
	for i, v := range values {
		values[i] = min(max(v, -limit), limit)
	}
	clamped := device.Upload(b.Rows, b.Width, values)
	device.Copy(b, clamped)
	device.Release(clamped)
}

// clampedGate is gpt-oss' activation: with gate at most limit and up within ±limit,
// gate·σ(1.702·gate)·(up + 1). It goes through host memory, since only one family asks for it.
func clampedGate(device kernels.Device, gate, up kernels.Buffer, limit float32) {
	gates, ups := make([]float32, gate.Rows*gate.Width), make([]float32, up.Rows*up.Width)
	device.Download(gates, gate)
	device.Download(ups, up)
	for i, g := range gates {
		g = min(g, limit)
		sigmoid := 1 / (1 + math.Exp(-1.702*float64(g)))
		gates[i] = (min(max(ups[i], -limit), limit) + 1) * float32(float64(g)*sigmoid)
	}
	result := device.Upload(gate.Rows, gate.Width, gates)
	device.Copy(gate, result)
	device.Release(result)
}
