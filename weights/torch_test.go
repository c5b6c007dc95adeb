package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// Pieces of pickles, protocol 2, as torch.save writes them.
const (
	pickleStart   = "\x80\x02"
	rebuildTensor = "ctorch._utils\n_rebuild_tensor_v2\n"
	// tensorTail is requires_grad, an empty ordered dictionary, and the call.
	tensorTail = "\x89ccollections\nOrderedDict\n)RtR"
)

func pickleText(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// pickleStorage is a persistent id; class like "FloatStorage".
func pickleStorage(class, key, device string, elements byte) string {
	return "(" + pickleText("storage") + "ctorch\n" + class + "\n" + pickleText(key) + pickleText(device) + "K" + string(rune(elements)) + "tQ"
}

// pickleTensor describes a tensor of one or two dimensions by small numbers.
func pickleTensor(storage string, offset byte, shape, strides []byte) string {
	tuple := func(sizes []byte) string {
		text := ""
		for _, size := range sizes {
			text += "K" + string([]byte{size})
		}
		return text + string([]byte{0x84 + byte(len(sizes))})
	}
	return rebuildTensor + "(" + storage + "K" + string([]byte{offset}) + tuple(shape) + tuple(strides) + tensorTail
}

func torchZip(t testing.TB, program string, storages ...any) []byte {
	members := []any{"archive/data.pkl", []byte(pickleStart + program + "."), "archive/byteorder", []byte("little")}
	return zipBytes(t, zip.Store, append(members, storages...)...)
}

func sixFloats() []byte { return floatBytes(binary.LittleEndian, 0, 1, 2, 3, 4, 5) }

func TestParseTorchZip(t *testing.T) {
	storage := pickleStorage("FloatStorage", "0", "cuda:0", 6)
	program := "}(" + pickleText("plain") + pickleTensor(storage, 0, []byte{2, 3}, []byte{3, 1}) +
		pickleText("transposed") + pickleTensor(storage, 0, []byte{3, 2}, []byte{1, 3}) +
		pickleText("tail") + pickleTensor(storage, 4, []byte{2}, []byte{1}) +
		pickleText("parameter") + "ctorch._utils\n_rebuild_parameter\n(" + pickleTensor(storage, 2, []byte{1}, []byte{1}) + "\x88)tR" +
		pickleText("k") + "K\x07u"
	value, err := ParseTorch(torchZip(t, program, "archive/data/0", sixFloats()))
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := TensorsOf(value)
	if err != nil || len(tensors) != 4 {
		t.Fatalf("%v, %v", tensors, err)
	}
	for name, want := range map[string][]byte{
		"plain":      sixFloats(),
		"transposed": floatBytes(binary.LittleEndian, 0, 3, 1, 4, 2, 5),
		"tail":       floatBytes(binary.LittleEndian, 4, 5),
		"parameter":  floatBytes(binary.LittleEndian, 2),
	} {
		if got := tensors[name]; !bytes.Equal(got.Data, want) || got.DType != "F32" || got.Name != name {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if k, found := value.(*Dict).Get("k"); !found || k != any(int64(7)) {
		t.Errorf("k = %v", k)
	}
}

func TestParseTorchStream(t *testing.T) {
	magic := pickleStart + "\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
	program := magic + pickleStart + "M\xe9\x03." + pickleStart + "}."
	program += pickleStart + "}" + pickleText("w") + pickleTensor(pickleStorage("HalfStorage", "94", "cpu", 3), 1, []byte{2}, []byte{1}) + "s."
	program += pickleStart + "](" + pickleText("94") + "e."
	data := append(binary.LittleEndian.AppendUint64([]byte(program), 3), 1, 2, 3, 4, 5, 6)
	value, err := ParseTorch(data)
	if err != nil {
		t.Fatal(err)
	}
	tensors, err := TensorsOf(value)
	if err != nil || !bytes.Equal(tensors["w"].Data, []byte{3, 4, 5, 6}) || tensors["w"].DType != "F16" {
		t.Errorf("%+v, %v", tensors, err)
	}
	if _, err := ParseTorch(data[:len(data)-1]); err == nil || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("truncated stream: %v", err)
	}
}

func TestParseTorchKeepsAllowedClassesInert(t *testing.T) {
	program := "cmodule\nModel\ncmodule\nModel\n\x85\x81}" + pickleText("n") + "K\x03sb"
	data := torchZip(t, program)
	if _, err := ParseTorch(data); err == nil || !strings.Contains(err.Error(), "module.Model") {
		t.Errorf("a class nobody allowed: %v", err)
	}
	value, err := ParseTorch(data, "module Model")
	object, isObject := value.(*Object)
	if err != nil || !isObject || object.Class != "module.Model" || object.Args[0] != any("module.Model") {
		t.Fatalf("%v, %v", value, err)
	}
	if n, _ := object.State.(*Dict).Get("n"); n != any(int64(3)) {
		t.Errorf("state %+v", object.State)
	}
}

func TestParseTorchRefuses(t *testing.T) {
	storage := pickleStorage("FloatStorage", "0", "cpu", 6)
	deep := strings.Repeat("]", 5000) + strings.Repeat("a", 4999)
	for name, c := range map[string]struct{ program, want string }{
		"call of print":     {"c__builtin__\nprint\n" + pickleText("hi") + "\x85R", "print"},
		"system":            {"cposix\nsystem\n" + pickleText("hi") + "\x85R", "posix.system"},
		"stack global":      {pickleText("os") + pickleText("system") + "\x93", "os.system"},
		"outside storage":   {pickleTensor(storage, 5, []byte{2, 3}, []byte{3, 1}), "outside its storage"},
		"offset too large":  {pickleTensor(storage, 9, []byte{1}, []byte{1}), "do not fit"},
		"no such member":    {pickleTensor(pickleStorage("FloatStorage", "1", "cpu", 6), 0, []byte{1}, []byte{1}), "data/1"},
		"storage too short": {pickleTensor(pickleStorage("DoubleStorage", "0", "cpu", 6), 0, []byte{1}, []byte{1}), "24 bytes and needs 48"},
		"unknown opcode":    {"i", "opcode 0x69"},
		"empty stack":       {"0", "empty stack"},
		"no mark":           {"}u", "no mark"},
		"unset memo":        {"h\x05", "never stored"},
		"self-reference":    {"]q\x00h\x00a", "contains itself"},
		"deep nesting":      {deep, "nested deeper"},
		"large number":      {"\x8a\x0a0123456789", "too large"},
		"class as value":    {"ctorch\nFloatStorage\n", "the class torch.FloatStorage itself"},
	} {
		_, err := ParseTorch(torchZip(t, c.program, "archive/data/0", sixFloats()))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want an error with %q, got %v", name, c.want, err)
		}
	}
	for want, data := range map[string][]byte{
		"no data.pkl": zipBytes(t, zip.Store, "archive/version", []byte("3")),
		"byte order":  zipBytes(t, zip.Store, "a/data.pkl", []byte("N."), "a/byteorder", []byte("big")),
		"neither a":   []byte("version https://git-lfs"),
		"not a compl": []byte("PK\x03\x04 and then nothing"),
	} {
		if _, err := ParseTorch(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestTensorsOfNamesOtherContent(t *testing.T) {
	value, err := ParseTorch(torchZip(t, "](N\x88e"))
	if items, isList := value.([]any); err != nil || !isList || !slices.Equal(items, []any{nil, true}) {
		t.Fatalf("%v, %v", value, err)
	}
	if _, err := TensorsOf(value); err == nil || !strings.Contains(err.Error(), "a list") {
		t.Errorf("%v", err)
	}
}

func FuzzParseTorch(f *testing.F) {
	storage := pickleStorage("FloatStorage", "0", "cpu", 6)
	f.Add(torchZip(f, "}"+pickleText("w")+pickleTensor(storage, 0, []byte{3, 2}, []byte{1, 3})+"s", "archive/data/0", sixFloats()))
	f.Add([]byte(pickleStart + "\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + pickleStart + "M\xe9\x03." + pickleStart + "}." + pickleStart + "}." + pickleStart + "]."))
	f.Add([]byte(pickleStart + "(]q\x00h\x00a\x94\x95"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, parse := range []func() (any, error){
			func() (any, error) { return ParseTorch(data) },
			func() (any, error) { // as the data.pkl of an archive
				value, err := newUnpickler(data, nil).run()
				if err != nil {
					return nil, err
				}
				return resolve(value, func(string) ([]byte, error) { return data, nil }, newBudget(len(data)))
			},
		} {
			checkMemory(t, "a torch file", data, func() {
				result, err := parse()
				if tensor, isTensor := result.(Tensor); err == nil && isTensor {
					checkTensors(t, []Tensor{tensor})
				}
				if tensors, err := TensorsOf(result); err == nil {
					for _, tensor := range tensors {
						checkTensors(t, []Tensor{tensor})
					}
				}
			})
		}
	})
}
