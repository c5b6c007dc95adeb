package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// npyBytes writes an npy array with the given header fields.
func npyBytes(version byte, descr string, fortran bool, shape string, body []byte) []byte {
	header := fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, map[bool]string{true: "True", false: "False"}[fortran], shape)
	content := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		content = binary.LittleEndian.AppendUint16(content, uint16(len(header)))
	} else {
		content = binary.LittleEndian.AppendUint32(content, uint32(len(header)))
	}
	return append(append(content, header...), body...)
}

func floatBytes(order binary.AppendByteOrder, values ...uint32) []byte {
	var body []byte
	for _, value := range values {
		body = order.AppendUint32(body, value)
	}
	return body
}

func zipBytes(t testing.TB, method uint16, members ...any) []byte {
	t.Helper()
	var buffer bytes.Buffer
	writer := zip.NewWriter(&buffer)
	for i := 0; i < len(members); i += 2 {
		member, err := writer.CreateHeader(&zip.FileHeader{Name: members[i].(string), Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(member, bytes.NewReader(members[i+1].([]byte))); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestParseNPY(t *testing.T) {
	little, big := floatBytes(binary.LittleEndian, 1, 2, 3, 4, 5, 6), floatBytes(binary.BigEndian, 1, 2, 3, 4, 5, 6)
	fortran := floatBytes(binary.LittleEndian, 1, 4, 2, 5, 3, 6)
	for name, c := range map[string]struct {
		content []byte
		dtype   string
		shape   []int
		data    []byte
	}{
		"version 1":       {npyBytes(1, "'<f4'", false, "(2, 3)", little), "F32", []int{2, 3}, little},
		"version 2":       {npyBytes(2, "'<f4'", false, "(2, 3)", little), "F32", []int{2, 3}, little},
		"version 3":       {npyBytes(3, "'<i4'", false, "(6,)", little), "I32", []int{6}, little},
		"big-endian":      {npyBytes(1, "'>f4'", false, "(2, 3)", big), "F32", []int{2, 3}, little},
		"Fortran":         {npyBytes(1, "'<f4'", true, "(2, 3)", fortran), "F32", []int{2, 3}, little},
		"Fortran vector":  {npyBytes(1, "'<f4'", true, "(6,)", little), "F32", []int{6}, little},
		"scalar":          {npyBytes(1, "'<f4'", false, "()", little[:4]), "F32", []int{}, little[:4]},
		"bool":            {npyBytes(1, "'|b1'", false, "(2,)", []byte{1, 0}), "BOOL", []int{2}, []byte{1, 0}},
		"half":            {npyBytes(1, "'<f2'", false, "(2,)", []byte{1, 2, 3, 4}), "F16", []int{2}, []byte{1, 2, 3, 4}},
		"empty dimension": {npyBytes(1, "'<f8'", true, "(0, 5)", nil), "F64", []int{0, 5}, []byte{}},
	} {
		got, err := ParseNPY(c.content)
		if err != nil || got.DType != c.dtype || !slices.Equal(got.Shape, c.shape) || !bytes.Equal(got.Data, c.data) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseNPYRefuses(t *testing.T) {
	body := make([]byte, 24)
	for want, content := range map[string][]byte{
		"object array":      npyBytes(1, "'|O'", false, "(3,)", body),
		"element type":      npyBytes(1, "'<c8'", false, "(3,)", body),
		"plain array":       npyBytes(1, "[('a', '<f4')]", false, "(6,)", body),
		"needs 32 bytes":    npyBytes(1, "'<f4'", false, "(8,)", body),
		"overflows":         npyBytes(1, "'<f4'", false, "(100000000000000, 100000000000000)", body),
		"dimension":         npyBytes(1, "'<f4'", false, "(99999999999999999999,)", body),
		"version 9":         npyBytes(9, "'<f4'", false, "(6,)", body),
		"npy file":          []byte("something else"),
		"truncated":         npyBytes(1, "'<f4'", false, "(6,)", nil)[:20],
		"needs 24 bytes":    npyBytes(1, "'<f4'", false, "(6,)", body[:20]),
		"header is truncat": npyBytes(2, "'<f4'", false, "(6,)", nil)[:11],
	} {
		if _, err := ParseNPY(content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestParseNPZ(t *testing.T) {
	body := floatBytes(binary.LittleEndian, 1, 2, 3, 4)
	array := npyBytes(1, "'<f4'", false, "(4,)", body)
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		data := zipBytes(t, method, "b.npy", array, "a.npy", array)
		tensors, err := ParseNPZ(data)
		if err != nil || len(tensors) != 2 || tensors[0].Name != "b" || !bytes.Equal(tensors[1].Data, body) {
			t.Fatalf("method %d: %+v, %v", method, tensors, err)
		}
		start, end := uintptr(unsafe.Pointer(&data[0])), uintptr(unsafe.Pointer(&data[len(data)-1]))
		at := uintptr(unsafe.Pointer(&tensors[0].Data[0]))
		if view := at > start && at < end; view != (method == zip.Store) {
			t.Errorf("method %d: data are a view of the file: %v", method, view)
		}
	}
}

func TestParseNPZRefusesDamage(t *testing.T) {
	array := npyBytes(1, "'<f4'", false, "(4,)", []byte("0123456789abcdef"))
	data := zipBytes(t, zip.Store, "a.npy", array)
	flipped := bytes.Clone(data)
	flipped[bytes.Index(data, []byte("0123456789abcdef"))] ^= 1
	for want, content := range map[string][]byte{
		"checksum":               flipped,
		"not a complete zip":     data[:len(data)-30],
		"occurs twice":           zipBytes(t, zip.Store, "a.npy", array, "a.npy", array),
		"is not an array":        zipBytes(t, zip.Store, "readme.txt", array),
		"array a: it is an obje": zipBytes(t, zip.Deflate, "a.npy", npyBytes(1, "'|O'", false, "(1,)", nil)),
	} {
		if _, err := ParseNPZ(content); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func FuzzParseNPZ(f *testing.F) {
	array := npyBytes(1, "'<f4'", true, "(2, 2)", []byte("0123456789abcdef"))
	f.Add(zipBytes(f, zip.Store, "a.npy", array))
	f.Add(zipBytes(f, zip.Deflate, "a.npy", array))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkMemory(t, "an npz file", data, func() {
			if tensors, err := ParseNPZ(data); err == nil {
				checkTensors(t, tensors)
			}
		})
	})
}

// checkTensors verifies that shapes and bytes agree.
func checkTensors(t *testing.T, tensors []Tensor) {
	for _, tensor := range tensors {
		if size, err := byteSize(tensor.DType, unsigned(tensor.Shape)); err != nil || size != uint64(len(tensor.Data)) {
			t.Errorf("%+v does not fit its shape: %v", tensor, err)
		}
	}
}
