package kernels

// DType is the storage type of a weight. Arithmetic is float32 whatever it is, but for
// HostMatrix.MayRound.
type DType uint8

// The storage types a weight can have on a device.
const (
	F32 DType = iota
	BF16
	F16
	I8 // integers of a byte and a float32 scale per row: an approximation of what a file stores
)

// Size returns the bytes of one element, without the scales of I8.
func (d DType) Size() int {
	switch d {
	case F32:
		return 4
	case I8:
		return 1
	}
	return 2
}

// String returns the name Hugging Face files use, such as "bfloat16".
func (d DType) String() string {
	switch d {
	case BF16:
		return "bfloat16"
	case F16:
		return "float16"
	case I8:
		return "int8"
	}
	return "float32"
}

// Bytes returns the size of an [out, in] weight of the type in device memory.
func (d DType) Bytes(out, in int) int64 {
	bytes := int64(out) * int64(in) * int64(d.Size())
	if d == I8 {
		bytes += 4 * int64(out)
	}
	return bytes
}
