package weights

import (
	"archive/zip"
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// allocated counts the bytes that work allocates.
func allocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// checkMemory fails a test when reading a file took more memory than its size explains: 300
// bytes for each of its own, which is what a pickle of empty containers takes, and a base.
func checkMemory(t *testing.T, what string, file []byte, read func()) {
	t.Helper()
	if got, most := allocated(read), uint64(300*len(file)+4<<20); got > most {
		t.Errorf("%s of %d bytes took %d bytes of memory, more than %d", what, len(file), got, most)
	}
}

// FuzzParseNPY looks for panics and for arrays that do not fit their shape.
func FuzzParseNPY(f *testing.F) {
	f.Add(npyBytes(1, "'<f4'", true, "(2, 2)", make([]byte, 16)))
	f.Add(npyBytes(2, "'>f8'", false, "(1,)", make([]byte, 8)))
	f.Add(npyBytes(3, "'|O'", false, "()", nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkMemory(t, "an npy file", data, func() {
			if tensor, err := ParseNPY(data); err == nil {
				checkTensors(t, []Tensor{tensor})
			}
		})
	})
}

// bomb is an archive whose one member inflates to a thousand times its size.
func bomb(t *testing.T, name string) []byte {
	return zipBytes(t, zip.Deflate, name, make([]byte, 64<<20))
}

// TestEvilFilesTakeLittleMemory reads small files that describe a lot: each is an error, and
// none takes more memory than its size explains.
func TestEvilFilesTakeLittleMemory(t *testing.T) {
	long := pickleText(strings.Repeat("x", 60_000)) + "q\x01"
	pairs := "](" + strings.Repeat("K\x01K\x01\x86", 10_000) + "eq\x01"
	storage := pickleStorage("FloatStorage", "0", "cpu", 6) + "q\x01"
	repeated := "(" + strings.Repeat("ctorch._utils\n_rebuild_tensor_v2\n(h\x01K\x00M\xff\x7fM\xff\x7f\x86K\x00K\x00\x86"+tensorTail, 200) + "t"
	for name, file := range map[string][]byte{
		"npz bomb":             bomb(t, "a.npy"),
		"torch bomb":           bomb(t, "archive/data.pkl"),
		"bytes of one text":    torchZip(t, long+strings.Repeat("c_codecs\nencode\nh\x01\x85R0", 20_000)+"N"),
		"dicts of one list":    torchZip(t, pairs+strings.Repeat("ccollections\nOrderedDict\nh\x01\x85R0", 20_000)+"N"),
		"expanded tensors":     torchZip(t, storage+repeated, "archive/data/0", sixFloats()),
		"names of one text":    torchZip(t, long+strings.Repeat("}h\x01", 900)+"\x8a\x0a0123456789"+strings.Repeat("s", 900)),
		"npy of many elements": npyBytes(1, "'>f8'", true, "(4294967296, 65536)", nil),
		"npy header":           []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}"),
		"safetensors header":   append([]byte{0xff, 0xff, 0xff, 4, 0, 0, 0, 0}, '{'),
		"safetensors shape":    rawSafetensors(`{"a":{"dtype":"U8","shape":[`+strings.Repeat("1,", 50_000)+`4294967296],"data_offsets":[0,4294967296]}}`, nil),
		"long number":          []byte(pickleStart + "\x8b\x00\x00\x01\x00" + strings.Repeat("x", 65536) + "."),
		"marks":                []byte(pickleStart + strings.Repeat("(", 100_000)),
		"nested lists":         torchZip(t, strings.Repeat("]", 100_000)+strings.Repeat("a", 99_999)),
	} {
		var err error
		checkMemory(t, name, file, func() {
			switch {
			case bytes.HasPrefix(file, []byte("PK")) && strings.HasPrefix(name, "npz"):
				_, err = ParseNPZ(file)
			case strings.HasPrefix(name, "npy"):
				_, err = ParseNPY(file)
			case strings.HasPrefix(name, "safetensors"):
				_, err = ParseSafetensors(file)
			default:
				_, err = ParseTorch(file)
			}
		})
		if err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: %s", name, fmt.Sprintf("%.300v", err))
		}
	}
}
