package sae

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"

	"npinf/kernels"
	"npinf/weights"
)

// parameter is one array of a source as its file stores it, seen in SAELens' orientation.
type parameter struct {
	weights.Tensor
	// transposed says that the file holds the transpose of a matrix.
	transposed bool
	// rounding is the storage type that values are rounded to when they are read.
	rounding kernels.DType
}

// shape is the shape in SAELens' orientation.
func (p parameter) shape() []int {
	if p.transposed && len(p.Shape) == 2 {
		return []int{p.Shape[1], p.Shape[0]}
	}
	return p.Shape
}

// flipped is the transpose of p; nothing is copied.
func (p parameter) flipped() parameter {
	p.transposed = !p.transposed
	return p
}

// floatTypes are the element types that values are read from in place.
var floatTypes = map[string]kernels.DType{"F32": kernels.F32, "BF16": kernels.BF16, "F16": kernels.F16}

// asFloats converts integers, booleans and float64 to float32; other float types are kept.
func asFloats(t weights.Tensor) (weights.Tensor, error) {
	if _, kept := floatTypes[t.DType]; kept {
		return t, nil
	}
	read, size := numberReader(t.DType)
	if read == nil {
		return t, fmt.Errorf("tensor %s has element type %s; use float32, float16, bfloat16, float64 or integers", t.Name, t.DType)
	}
	data := make([]byte, 0, 4*t.Elements())
	for at := 0; at < len(t.Data); at += size {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(read(t.Data[at:])))
	}
	t.DType, t.Data = "F32", data
	return t, nil
}

// numberReader reads the first element of little-endian data.
func numberReader(dtype string) (read func([]byte) float32, size int) {
	order := binary.LittleEndian
	switch dtype {
	case "F64":
		return func(b []byte) float32 { return float32(math.Float64frombits(order.Uint64(b))) }, 8
	case "I64":
		return func(b []byte) float32 { return float32(int64(order.Uint64(b))) }, 8
	case "U64":
		return func(b []byte) float32 { return float32(order.Uint64(b)) }, 8
	case "I32":
		return func(b []byte) float32 { return float32(int32(order.Uint32(b))) }, 4
	case "U32":
		return func(b []byte) float32 { return float32(order.Uint32(b)) }, 4
	case "I16":
		return func(b []byte) float32 { return float32(int16(order.Uint16(b))) }, 2
	case "U16":
		return func(b []byte) float32 { return float32(order.Uint16(b)) }, 2
	case "I8":
		return func(b []byte) float32 { return float32(int8(b[0])) }, 1
	case "U8", "BOOL":
		return func(b []byte) float32 { return float32(b[0]) }, 1
	}
	return nil, 0
}

// read widens the elements [start, start+len(dst)) of the file's order into dst.
func (p parameter) read(dst []float32, start int) {
	switch p.DType {
	case "F32":
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(p.Data[4*(start+i):]))
		}
	case "BF16":
		for i := range dst {
			dst[i] = kernels.BF16ToF32(binary.LittleEndian.Uint16(p.Data[2*(start+i):]))
		}
	case "F16":
		for i := range dst {
			dst[i] = kernels.F16ToF32(binary.LittleEndian.Uint16(p.Data[2*(start+i):]))
		}
	}
	p.round(dst)
}

// round rounds values to the storage type that was asked for.
func (p parameter) round(values []float32) {
	if p.rounding == floatTypes[p.DType] {
		return
	}
	switch p.rounding {
	case kernels.BF16:
		for i, v := range values {
			values[i] = kernels.BF16ToF32(kernels.F32ToBF16(v))
		}
	case kernels.F16:
		for i, v := range values {
			values[i] = kernels.F16ToF32(kernels.F32ToF16(v))
		}
	}
}

// floats returns all values in the file's order.
func (p parameter) floats() []float32 {
	values := make([]float32, p.Elements())
	p.read(values, 0)
	return values
}

// row reads row i of a matrix in SAELens' orientation into dst.
func (p parameter) row(dst []float32, i int) {
	if !p.transposed {
		p.read(dst, i*p.Shape[1])
		return
	}
	for column := range dst {
		p.read(dst[column:column+1], column*p.Shape[1]+i)
	}
}

// matrix describes p for a device: rows of the transpose are outputs, so that W_enc [d_in,
// d_sae] becomes a weight with d_sae outputs.
func (p parameter) matrix() kernels.HostMatrix {
	shape := p.shape()
	m := kernels.HostMatrix{
		Data: p.Data, DType: floatTypes[p.DType], Out: shape[1], In: shape[0], Transposed: !p.transposed, Borrow: true,
	}
	if p.rounding != kernels.F32 && p.rounding != m.DType {
		m.Convert = &p.rounding
	}
	return m
}

// rowStatistics returns for every row of a matrix its dot product with query (zeros for a
// nil query) and its squared length. A transposed matrix is read in the file's order, not
// row by row.
func (p parameter) rowStatistics(query []float32) (dots, squares []float64) {
	shape := p.shape()
	rows, width := shape[0], shape[1]
	dots, squares = make([]float64, rows), make([]float64, rows)
	inParallel(rows, func(low, high int) {
		if p.transposed {
			values := make([]float32, high-low)
			for column := range width {
				p.read(values, column*rows+low)
				var q float64
				if query != nil {
					q = float64(query[column])
				}
				for i, v := range values {
					dots[low+i] += q * float64(v)
					squares[low+i] += float64(v) * float64(v)
				}
			}
			return
		}
		values := make([]float32, width)
		for i := low; i < high; i++ {
			p.read(values, i*width)
			squares[i] = dot(values, values)
			if query != nil {
				dots[i] = dot(values, query)
			}
		}
	})
	return dots, squares
}

// dot is the product of two rows, summed in four strands that do not wait for each other.
func dot(a, b []float32) float64 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return float64(s0) + float64(s1) + float64(s2) + float64(s3)
}

// inParallel splits [0, count) among the processors.
func inParallel(count int, work func(low, high int)) {
	parts := max(1, min(runtime.GOMAXPROCS(0), count/256))
	var group sync.WaitGroup
	for part := range parts {
		group.Go(func() { work(count*part/parts, count*(part+1)/parts) })
	}
	group.Wait()
}

// computed makes a parameter of values that no file holds.
func computed(name string, values []float32, shape ...int) parameter {
	data := make([]byte, 4*len(values))
	for i, v := range values {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	return parameter{Tensor: weights.Tensor{Name: name, DType: "F32", Shape: shape, Data: data}}
}
