package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"npinf/kernels"
)

// Tensor is a named array as a file stores it: row-major, little-endian.
type Tensor struct {
	Name  string
	DType string // a safetensors name such as "F32" or "BF16"
	Shape []int  // empty for a scalar
	Data  []byte // aliases the file it was read from
}

// bitsOf is the table of dtypes a safetensors file may hold, with the bits of an element.
var bitsOf = map[string]int{
	"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
	"I16": 16, "U16": 16, "F16": 16, "BF16": 16,
	"I32": 32, "U32": 32, "F32": 32,
	"C64": 64, "F64": 64, "I64": 64, "U64": 64,
}

// storageOf names the dtypes that a device can compute with as they are.
var storageOf = map[string]kernels.DType{"F32": kernels.F32, "BF16": kernels.BF16, "F16": kernels.F16}

// Elements is the number of values in the tensor.
func (t Tensor) Elements() int {
	count := 1
	for _, dimension := range t.Shape {
		count *= dimension
	}
	return count
}

// Storage returns the device storage type of the tensor's values. The error names the
// tensor and its dtype when no device stores it.
func (t Tensor) Storage() (kernels.DType, error) {
	if storage, ok := storageOf[t.DType]; ok {
		return storage, nil
	}
	return 0, fmt.Errorf("tensor %s has dtype %s, which cannot be used as a weight; use a checkpoint in F32, BF16 or F16", t.Name, t.DType)
}

// Matrix describes a two-dimensional tensor to a device without copying it. transposed
// says that it is stored [in, out]. borrow promises that Data outlives the weight; it is
// not passed on when Data is not aligned for its element type, since no file format
// promises alignment and a device could not read it in place.
func (t Tensor) Matrix(transposed, borrow bool) (kernels.HostMatrix, error) {
	storage, err := t.Storage()
	if err != nil {
		return kernels.HostMatrix{}, err
	}
	if len(t.Shape) != 2 {
		return kernels.HostMatrix{}, fmt.Errorf("tensor %s has shape %v, want a matrix", t.Name, t.Shape)
	}
	matrix := kernels.HostMatrix{Data: t.Data, DType: storage, Out: t.Shape[0], In: t.Shape[1],
		Transposed: transposed, Borrow: borrow && aligned(t.Data, storage.Size())}
	if transposed {
		matrix.Out, matrix.In = matrix.In, matrix.Out
	}
	return matrix, nil
}

func aligned(data []byte, size int) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(size) == 0
}

// Floats returns the values widened (or, for F64, rounded) to float32 in a new slice.
func (t Tensor) Floats() ([]float32, error) {
	values := make([]float32, t.Elements())
	switch t.DType {
	case "F64":
		for i := range values {
			values[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:])))
		}
	case "F32":
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
		}
	case "BF16":
		for i := range values {
			values[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
		}
	case "F16":
		for i := range values {
			values[i] = widenHalf(binary.LittleEndian.Uint16(t.Data[2*i:]))
		}
	default:
		return nil, fmt.Errorf("tensor %s has dtype %s, want F64, F32, BF16 or F16", t.Name, t.DType)
	}
	return values, nil
}

// widenHalf widens an IEEE binary16 value: sign, 5 bits of exponent, 10 of fraction.
func widenHalf(half uint16) float32 {
	sign := uint32(half&0x8000) << 16
	exponent, fraction := uint32(half>>10)&31, uint32(half)&0x3ff
	switch exponent {
	case 0: // zero and subnormals: fraction · 2^-24
		magnitude := float32(fraction) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(magnitude))
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
