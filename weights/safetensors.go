package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sort"
	"unicode/utf8"
)

// MaxSafetensorsHeader is the longest header a file may have, as in the reference reader.
const MaxSafetensorsHeader = 100_000_000

// Safetensors is the content of one safetensors file.
type Safetensors struct {
	Tensors  []Tensor // in the order of their data
	Metadata map[string]string
}

// ParseSafetensors reads a whole safetensors file without copying any tensor: Data of the
// results aliases data. It is as strict as the format's own reader: the tensors must cover
// the file exactly, without holes or overlaps, and no name may occur twice.
func ParseSafetensors(data []byte) (*Safetensors, error) {
	header, body, err := splitHeader(data)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	file, extents, err := parseHeader(header)
	if err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	if err := file.place(extents, body); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return file, nil
}

// splitHeader separates the JSON header from the tensor data by the length in front.
func splitHeader(data []byte) (header, body []byte, err error) {
	if len(data) < 8 {
		return nil, nil, fmt.Errorf("file of %d bytes is too short for a header length", len(data))
	}
	length := binary.LittleEndian.Uint64(data)
	if length > MaxSafetensorsHeader {
		return nil, nil, fmt.Errorf("header length %d is over the limit of %d", length, MaxSafetensorsHeader)
	}
	if length > uint64(len(data)-8) {
		return nil, nil, fmt.Errorf("header length %d reaches past the end of a file of %d bytes; the file is truncated", length, len(data))
	}
	header, body = data[8:8+length], data[8+length:]
	if !utf8.Valid(header) {
		return nil, nil, errors.New("header is not UTF-8")
	}
	if len(header) == 0 || header[0] != '{' {
		return nil, nil, errors.New("header does not start with '{'; this is not a safetensors file")
	}
	return header, body, nil
}

// extent is where a tensor's bytes lie in the body.
type extent struct{ begin, end uint64 }

// parseHeader walks the JSON object entry by entry, because a map decoder would keep only
// the last of two tensors with one name.
func parseHeader(header []byte) (*Safetensors, []extent, error) {
	decoder := json.NewDecoder(bytes.NewReader(header))
	if _, err := decoder.Token(); err != nil {
		return nil, nil, err
	}
	file := &Safetensors{}
	var extents []extent
	seen := map[string]bool{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, nil, err
		}
		name := key.(string) // keys of an object are strings
		if seen[name] {
			return nil, nil, fmt.Errorf("%q occurs twice", name)
		}
		seen[name] = true
		if name == "__metadata__" {
			if err := decoder.Decode(&file.Metadata); err != nil {
				return nil, nil, fmt.Errorf("__metadata__ must map strings to strings: %w", err)
			}
			continue
		}
		tensor, where, err := parseEntry(decoder, name)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		file.Tensors, extents = append(file.Tensors, tensor), append(extents, where)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, nil, err
	}
	if rest, _ := io.ReadAll(decoder.Buffered()); len(bytes.Trim(rest, " ")) > 0 {
		return nil, nil, errors.New("text after the closing brace")
	}
	return file, extents, nil
}

// parseEntry reads {dtype, shape, data_offsets} and checks that they agree.
func parseEntry(decoder *json.Decoder, name string) (Tensor, extent, error) {
	var entry struct {
		DType   *string   `json:"dtype"`
		Shape   *[]uint64 `json:"shape"`
		Offsets []uint64  `json:"data_offsets"`
	}
	if err := decoder.Decode(&entry); err != nil {
		return Tensor{}, extent{}, err
	}
	if entry.DType == nil || entry.Shape == nil || len(entry.Offsets) != 2 {
		return Tensor{}, extent{}, errors.New("needs dtype, shape and two data_offsets")
	}
	where := extent{entry.Offsets[0], entry.Offsets[1]}
	if where.end < where.begin {
		return Tensor{}, extent{}, fmt.Errorf("data_offsets %v run backwards", entry.Offsets)
	}
	size, err := byteSize(*entry.DType, *entry.Shape)
	if err != nil {
		return Tensor{}, extent{}, err
	}
	if size != where.end-where.begin {
		return Tensor{}, extent{}, fmt.Errorf("%s %v needs %d bytes, data_offsets %v give %d",
			*entry.DType, *entry.Shape, size, entry.Offsets, where.end-where.begin)
	}
	tensor := Tensor{Name: name, DType: *entry.DType, Shape: make([]int, len(*entry.Shape))}
	for i, dimension := range *entry.Shape {
		if dimension > 1<<48 { // possible beside a dimension of 0; no index reaches it
			return Tensor{}, extent{}, fmt.Errorf("dimension %d is too large", dimension)
		}
		tensor.Shape[i] = int(dimension)
	}
	return tensor, where, nil
}

// byteSize is product(shape) · bits / 8 with every step checked.
func byteSize(dtype string, shape []uint64) (uint64, error) {
	width, ok := bitsOf[dtype]
	if !ok {
		return 0, fmt.Errorf("unknown dtype %q", dtype)
	}
	total := uint64(1)
	for _, dimension := range append(slices.Clone(shape), uint64(width)) {
		high, low := bits.Mul64(total, dimension)
		if high != 0 {
			return 0, fmt.Errorf("size of shape %v overflows", shape)
		}
		total = low
	}
	if total%8 != 0 {
		return 0, fmt.Errorf("%s %v is not a whole number of bytes", dtype, shape)
	}
	return total / 8, nil
}

// place sorts the tensors by offset, checks that they tile the body and gives them their bytes.
func (s *Safetensors) place(extents []extent, body []byte) error {
	order := make([]int, len(extents))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool {
		x, y := extents[order[a]], extents[order[b]]
		return x.begin < y.begin || x.begin == y.begin && x.end < y.end
	})
	sorted := make([]Tensor, len(order))
	position := uint64(0)
	for i, index := range order {
		tensor, where := s.Tensors[index], extents[index]
		if where.begin != position {
			return fmt.Errorf("tensor %q begins at %d, want %d: the data has a hole or an overlap", tensor.Name, where.begin, position)
		}
		if where.end > uint64(len(body)) {
			return fmt.Errorf("tensor %q ends at %d of %d data bytes; the file is truncated", tensor.Name, where.end, len(body))
		}
		tensor.Data = body[where.begin:where.end:where.end]
		sorted[i], position = tensor, where.end
	}
	if position != uint64(len(body)) {
		return fmt.Errorf("tensors end at %d of %d data bytes", position, len(body))
	}
	s.Tensors = sorted
	return nil
}
