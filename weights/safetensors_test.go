package weights

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"npinf/kernels"
)

// rawSafetensors puts a header of any text in front of a body.
func rawSafetensors(header string, body []byte) []byte {
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), body...)
}

// entry is the header text of one tensor.
func entry(name, dtype string, begin, end int, shape ...int) string {
	if shape == nil {
		shape = []int{}
	}
	value, _ := json.Marshal(map[string]any{"dtype": dtype, "shape": shape, "data_offsets": []int{begin, end}})
	return `"` + name + `":` + string(value)
}

func TestParseSafetensors(t *testing.T) {
	body := make([]byte, 16)
	for i := range body {
		body[i] = byte(i)
	}
	header := `{` + strings.Join([]string{
		`"__metadata__":{"format":"pt"}`,
		entry("late", "BF16", 8, 16, 2, 2), // out of order in the header
		entry("scalar", "F32", 0, 4),
		entry("empty", "F32", 4, 4, 0, 3),
		entry("nibbles", "F4", 4, 5, 2),
		entry("bytes", "I8", 5, 8, 3),
	}, ",") + `}   `
	file, err := ParseSafetensors(rawSafetensors(header, body))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tensor := range file.Tensors {
		names = append(names, tensor.Name)
	}
	if want := []string{"scalar", "empty", "nibbles", "bytes", "late"}; !slices.Equal(names, want) {
		t.Errorf("order %v, want %v", names, want)
	}
	if file.Metadata["format"] != "pt" {
		t.Errorf("metadata %v", file.Metadata)
	}
	late := file.Tensors[4]
	if !slices.Equal(late.Data, body[8:]) || !slices.Equal(late.Shape, []int{2, 2}) || late.DType != "BF16" {
		t.Errorf("late = %+v", late)
	}
	if scalar := file.Tensors[0]; scalar.Elements() != 1 || len(scalar.Shape) != 0 {
		t.Errorf("scalar = %+v", scalar)
	}
}

func TestParseSafetensorsRefuses(t *testing.T) {
	four := make([]byte, 4)
	long := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	for _, c := range []struct {
		what, want string
		file       []byte
	}{
		{"nothing", "too short", nil},
		{"short", "too short", make([]byte, 7)},
		{"huge header", "over the limit", append(long, four...)},
		{"truncated header", "truncated", rawSafetensors(`{}`, nil)[:9]},
		{"not UTF-8", "UTF-8", rawSafetensors("{\"\xff\":1}", nil)},
		{"not an object", "does not start with '{'", rawSafetensors(` {}`, nil)},
		{"empty header", "does not start with '{'", rawSafetensors(``, nil)},
		{"broken JSON", "header", rawSafetensors(`{"a"`, nil)},
		{"text behind", "after the closing brace", rawSafetensors(`{} x`, nil)},
		{"second object", "after the closing brace", rawSafetensors(`{}{}`, nil)},
		{"name twice", "occurs twice", rawSafetensors(`{`+entry("a", "F32", 0, 4, 1)+","+entry("a", "F32", 4, 8, 1)+`}`, make([]byte, 8))},
		{"metadata of numbers", "strings to strings", rawSafetensors(`{"__metadata__":{"a":1}}`, nil)},
		{"unknown dtype", `unknown dtype "F12"`, rawSafetensors(`{`+entry("a", "F12", 0, 4, 1)+`}`, four)},
		{"no shape", "needs dtype", rawSafetensors(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, four)},
		{"three offsets", "needs dtype", rawSafetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, four)},
		{"negative shape", "tensor", rawSafetensors(`{`+entry("a", "F32", 0, 4, -1)+`}`, four)},
		{"backwards", "backwards", rawSafetensors(`{`+entry("a", "F32", 4, 0, 0)+`}`, four)},
		{"wrong size", "needs 8 bytes", rawSafetensors(`{`+entry("a", "F32", 0, 4, 2)+`}`, four)},
		{"overflow", "overflows", rawSafetensors(`{`+entry("a", "F32", 0, 4, 1<<40, 1<<40)+`}`, four)},
		{"overflow by zero", "too large", rawSafetensors(`{`+entry("a", "F32", 0, 0, 0, 1<<60)+`}`, nil)},
		{"half a byte", "whole number of bytes", rawSafetensors(`{`+entry("a", "F4", 0, 1, 3)+`}`, four[:1])},
		{"hole in front", "hole", rawSafetensors(`{`+entry("a", "F32", 4, 8, 1)+`}`, make([]byte, 8))},
		{"hole between", "hole", rawSafetensors(`{`+entry("a", "F32", 0, 4, 1)+","+entry("b", "F32", 8, 12, 1)+`}`, make([]byte, 12))},
		{"overlap", "overlap", rawSafetensors(`{`+entry("a", "F32", 0, 4, 1)+","+entry("b", "F32", 0, 4, 1)+`}`, four)},
		{"past the end", "truncated", rawSafetensors(`{`+entry("a", "F32", 0, 8, 2)+`}`, four)},
		{"left over", "of 8 data bytes", rawSafetensors(`{`+entry("a", "F32", 0, 4, 1)+`}`, make([]byte, 8))},
	} {
		_, err := ParseSafetensors(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.want)
		}
	}
}

// FuzzParseSafetensors looks for panics and for results that reach outside the file.
func FuzzParseSafetensors(f *testing.F) {
	f.Add([]byte{})
	f.Add(rawSafetensors(`{`+entry("a", "F32", 0, 4, 1)+`}`, make([]byte, 4)))
	f.Add(rawSafetensors(`{"__metadata__":{},`+entry("b", "F4", 0, 1, 2)+`}  `, make([]byte, 1)))
	f.Add(rawSafetensors(`{"a":{"dtype":"U64","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}`, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *Safetensors
		var err error
		checkMemory(t, "a safetensors file", data, func() { file, err = ParseSafetensors(data) })
		if err != nil {
			return
		}
		total := 0
		for _, tensor := range file.Tensors {
			total += len(tensor.Data)
			if tensor.Elements() < 0 {
				t.Errorf("%s has %d elements", tensor.Name, tensor.Elements())
			}
			if _, err := tensor.Floats(); err == nil && tensor.Elements() > 0 && len(tensor.Data) == 0 {
				t.Errorf("%s has values but no data", tensor.Name)
			}
		}
		if total > len(data) {
			t.Errorf("tensors hold %d of %d bytes", total, len(data))
		}
	})
}

func TestFloats(t *testing.T) {
	doubles := binary.LittleEndian.AppendUint64(nil, math.Float64bits(-2.5))
	for _, c := range []struct {
		dtype string
		data  []byte
		want  []float32
	}{
		{"F64", doubles, []float32{-2.5}},
		{"F32", []byte{0, 0, 0x80, 0x3f}, []float32{1}},
		{"BF16", []byte{0x80, 0x3f, 0, 0xc0}, []float32{1, -2}},
		{"F16", []byte{0, 0x3c, 1, 0, 0, 0x80, 0xff, 0x7b, 0, 0xfc, 0xff, 0x03},
			[]float32{1, 1.0 / (1 << 24), float32(math.Copysign(0, -1)), 65504, float32(math.Inf(-1)), 1023.0 / (1 << 24)}},
	} {
		got, err := Tensor{Name: "a", DType: c.dtype, Shape: []int{len(c.want)}, Data: c.data}.Floats()
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.want {
			if math.Float32bits(got[i]) != math.Float32bits(c.want[i]) {
				t.Errorf("%s value %d is %g, want %g", c.dtype, i, got[i], c.want[i])
			}
		}
	}
	if nan, _ := (Tensor{DType: "F16", Shape: []int{1}, Data: []byte{0, 0x7e}}).Floats(); nan[0] == nan[0] {
		t.Errorf("half NaN became %g", nan[0])
	}
	if _, err := (Tensor{Name: "mask", DType: "BOOL", Shape: []int{1}, Data: []byte{1}}).Floats(); err == nil || !strings.Contains(err.Error(), "mask") {
		t.Errorf("a mask became floats: %v", err)
	}
}

func TestMatrix(t *testing.T) {
	buffer := make([]byte, 32)
	offset := 0
	for !aligned(buffer[offset:], 4) {
		offset++
	}
	tensor := Tensor{Name: "w", DType: "F32", Shape: []int{2, 3}, Data: buffer[offset : offset+24]}
	matrix, err := tensor.Matrix(true, true)
	if err != nil || matrix.Out != 3 || matrix.In != 2 || !matrix.Transposed || !matrix.Borrow || matrix.DType != kernels.F32 {
		t.Errorf("matrix %+v, %v", matrix, err)
	}
	tensor.Data = buffer[offset+1 : offset+25]
	if matrix, _ := tensor.Matrix(false, true); matrix.Borrow || matrix.Out != 2 {
		t.Errorf("misaligned data is lent out: %+v", matrix)
	}
	for _, bad := range []Tensor{
		{Name: "w", DType: "F8_E4M3", Shape: []int{1, 1}, Data: buffer[:1]},
		{Name: "w", DType: "F32", Shape: []int{1}, Data: buffer[:4]},
	} {
		if _, err := bad.Matrix(false, false); err == nil || !strings.Contains(err.Error(), "tensor w") {
			t.Errorf("%+v: error %v", bad, err)
		}
	}
}
