package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ParseNPZ reads all arrays of a NumPy archive, in the order of its directory. Stored
// little-endian arrays in C order alias data; others are copied once. Checksums are
// verified. Object arrays are refused, so nothing is ever unpickled.
func ParseNPZ(data []byte) ([]Tensor, error) {
	archive, err := openZip(data)
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	var tensors []Tensor
	seen := map[string]bool{}
	for _, file := range archive.File {
		name, isArray := strings.CutSuffix(file.Name, ".npy")
		if !isArray {
			return nil, fmt.Errorf("npz: member %s is not an array", file.Name)
		}
		if seen[name] {
			return nil, fmt.Errorf("npz: array %s occurs twice", name)
		}
		seen[name] = true
		content, err := archive.member(file)
		if err == nil {
			err = checkCRC(file, content)
		}
		if err != nil {
			return nil, fmt.Errorf("npz: %w", err)
		}
		tensor, err := parseNPY(content, archive.budget)
		if err != nil {
			return nil, fmt.Errorf("npz: array %s: %w", name, err)
		}
		tensor.Name = name
		tensors = append(tensors, tensor)
	}
	return tensors, nil
}

// npyTypes maps NumPy's kind and size to the dtype of a Tensor.
var npyTypes = map[string]string{
	"b1": "BOOL", "i1": "I8", "u1": "U8", "i2": "I16", "u2": "U16", "i4": "I32", "u4": "U32",
	"i8": "I64", "u8": "U64", "f2": "F16", "f4": "F32", "f8": "F64",
}

// The three entries of an npy header, which is the text of a Python dictionary.
var (
	npyType    = regexp.MustCompile(`'descr':\s*'([<>|=])([a-zA-Z])(\d*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape':\s*\(([0-9,\s]*)\)`)
)

// ParseNPY reads one array in NumPy's npy format, versions 1 to 3. Data of the result
// aliases content unless it had to be swapped or reordered.
func ParseNPY(content []byte) (Tensor, error) { return parseNPY(content, newBudget(len(content))) }

func parseNPY(content []byte, copies *budget) (Tensor, error) {
	header, body, err := splitNPY(content)
	if err != nil {
		return Tensor{}, err
	}
	descr, order, shape := npyType.FindStringSubmatch(header), npyFortran.FindStringSubmatch(header), npyShape.FindStringSubmatch(header)
	if descr == nil || order == nil || shape == nil {
		return Tensor{}, fmt.Errorf("npy header %.100q is not that of a plain array", header)
	}
	if descr[2] == "O" {
		return Tensor{}, errors.New("it is an object array, which could run code when read; it must hold numbers")
	}
	dtype, known := npyTypes[descr[2]+descr[3]]
	if !known {
		return Tensor{}, fmt.Errorf("element type %s is not supported; use float16, float32, float64, integers or bool", descr[1]+descr[2]+descr[3])
	}
	tensor := Tensor{DType: dtype}
	if tensor.Shape, err = parseShape(shape[1]); err != nil {
		return Tensor{}, err
	}
	bytes, err := byteSize(dtype, unsigned(tensor.Shape))
	if err != nil {
		return Tensor{}, err
	}
	if bytes != uint64(len(body)) {
		return Tensor{}, fmt.Errorf("%s %v needs %d bytes and has %d", dtype, tensor.Shape, bytes, len(body))
	}
	size := bitsOf[dtype] / 8
	tensor.Data = body
	if descr[1] == ">" || order[1] == "True" {
		if err := copies.take(2 * bytes); err != nil {
			return Tensor{}, err
		}
	}
	if descr[1] == ">" && size > 1 {
		tensor.Data = swapped(body, size)
	}
	if order[1] == "True" && len(tensor.Shape) > 1 {
		tensor.Data = rowMajor(tensor.Data, tensor.Shape, fortranStrides(tensor.Shape), size)
	}
	return tensor, nil
}

func splitNPY(content []byte) (header string, body []byte, err error) {
	if len(content) < 10 || string(content[:6]) != "\x93NUMPY" {
		return "", nil, errors.New("it does not start like an npy file")
	}
	start, length := 10, uint64(binary.LittleEndian.Uint16(content[8:]))
	if version := content[6]; version == 2 || version == 3 {
		if len(content) < 12 {
			return "", nil, errors.New("the npy header is truncated")
		}
		start, length = 12, uint64(binary.LittleEndian.Uint32(content[8:]))
	} else if version != 1 {
		return "", nil, fmt.Errorf("npy version %d is unknown", version)
	}
	if length > uint64(len(content)-start) {
		return "", nil, errors.New("the npy header is truncated")
	}
	end := start + int(length)
	return string(content[start:end]), content[end:], nil
}

func parseShape(text string) ([]int, error) {
	shape := []int{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		size, err := strconv.ParseUint(part, 10, 48)
		if err != nil {
			return nil, fmt.Errorf("dimension %s: %w", part, err)
		}
		shape = append(shape, int(size))
	}
	return shape, nil
}

func unsigned(shape []int) []uint64 {
	wide := make([]uint64, len(shape))
	for i, size := range shape {
		wide[i] = uint64(size)
	}
	return wide
}

// swapped returns data with the bytes of every element reversed.
func swapped(data []byte, size int) []byte {
	result := slices.Clone(data)
	for element := range slices.Chunk(result, size) {
		slices.Reverse(element)
	}
	return result
}

// fortranStrides are the steps, in elements, of an array whose first index runs fastest.
func fortranStrides(shape []int) []int {
	strides, step := make([]int, len(shape)), 1
	for i, size := range shape {
		strides[i] = step
		step *= size
	}
	return strides
}

// rowMajor copies a strided array of elements of the given size into C order. The caller
// has checked that the shape and strides stay inside data.
func rowMajor(data []byte, shape, strides []int, size int) []byte {
	count := size
	for _, dimension := range shape {
		count *= dimension
	}
	result := make([]byte, 0, count)
	if count == 0 {
		return result
	}
	last := len(shape) - 1
	index := make([]int, len(shape))
	for {
		offset := 0
		for i, at := range index[:last] {
			offset += at * strides[i]
		}
		for column := range shape[last] {
			at := (offset + column*strides[last]) * size
			result = append(result, data[at:at+size]...)
		}
		dimension := last - 1
		for ; dimension >= 0; dimension-- {
			if index[dimension]++; index[dimension] < shape[dimension] {
				break
			}
			index[dimension] = 0
		}
		if dimension < 0 {
			return result
		}
	}
}
