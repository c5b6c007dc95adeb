package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"path"
	"strings"
)

// Dict is a Python dictionary of a torch file, in its order. Keys are strings, numbers or
// whatever else was pickled.
type Dict struct {
	Keys, Values []any
}

// Get returns the value of a string key.
func (d *Dict) Get(key string) (any, bool) {
	for i, k := range d.Keys {
		if k == any(key) {
			return d.Values[i], true
		}
	}
	return nil, false
}

// Object is a Python object of a class the caller allowed by name. It is a record of what
// was pickled; nothing was called.
type Object struct {
	Class string // "module name"
	Args  []any  // what it was to be made from
	State any    // what it was to be filled with; nil for none
}

// ParseTorch reads what torch.save wrote, in a zip archive or in the older stream of
// pickles: a *Dict, []any (lists and tuples), Tensor, *Object, string, []byte, int64,
// float64, bool or nil. Contiguous tensors alias data, whatever device they were saved
// from; others are copied into row-major order. Nothing of a file is ever executed: only
// tensors, parameters and plain containers are understood, and of other classes those named
// in inert ("module name") become an *Object, or their dotted name where the class itself was
// saved. Any other global is an error that names it.
func ParseTorch(data []byte, inert ...string) (any, error) {
	var value any
	var err error
	if bytes.HasPrefix(data, []byte("PK")) {
		value, err = parseTorchZip(data, inert)
	} else {
		value, err = parseTorchStream(data, inert)
	}
	if err != nil {
		return nil, fmt.Errorf("torch file: %w", err)
	}
	return value, nil
}

// parseTorchZip reads the archive layout: NAME/data.pkl beside NAME/data/<storage key>.
func parseTorchZip(data []byte, inert []string) (any, error) {
	archive, err := openZip(data)
	if err != nil {
		return nil, err
	}
	members := map[string]*zip.File{}
	folder := ""
	for _, file := range archive.File {
		members[file.Name] = file
		if dir, base := path.Split(file.Name); base == "data.pkl" && folder == "" {
			folder = dir
		}
	}
	pickle, found := members[folder+"data.pkl"]
	if !found {
		return nil, errors.New("the archive has no data.pkl; it was not written by torch.save, or is a whole program (torch.jit)")
	}
	// Checksums are not compared: torch.save can be told not to compute them.
	program, err := archive.member(pickle)
	if err != nil {
		return nil, err
	}
	if order, found := members[folder+"byteorder"]; found {
		if content, err := archive.member(order); err != nil || string(content) != "little" {
			return nil, fmt.Errorf("byte order %.10q is not supported; save the file on a little-endian machine", content)
		}
	}
	contents := map[string][]byte{} // a storage may be shared by many tensors
	storages := func(key string) ([]byte, error) {
		file, found := members[folder+"data/"+key]
		if !found {
			return nil, fmt.Errorf("the archive has no member %sdata/%s; the file is incomplete", folder, key)
		}
		if content, opened := contents[key]; opened {
			return content, nil
		}
		content, err := archive.member(file)
		contents[key] = content
		return content, err
	}
	value, err := newUnpickler(program, inert).run()
	if err != nil {
		return nil, err
	}
	return resolve(value, storages, newBudget(len(data)))
}

// The first pickle of the older layout, which marks it.
const streamMagic = "119547037146038801333356"

// parseTorchStream reads the older layout: pickles of a magic number, a protocol version,
// the writer's sizes, the value and a list of storage keys, then for every key the number
// of elements and the bytes.
func parseTorchStream(data []byte, inert []string) (any, error) {
	machine := newUnpickler(data, inert)
	magic, err := machine.run()
	if number, isInt := magic.(*big.Int); err != nil || !isInt || number.BitLen() > 80 || number.String() != streamMagic {
		return nil, errors.New("it is neither a zip archive nor a torch stream; the file may be a pointer to the data, a web page or incomplete")
	}
	var parts [4]any
	for i := range parts {
		if parts[i], err = machine.run(); err != nil {
			return nil, err
		}
	}
	if version, isInt := parts[0].(int64); !isInt || version != 1001 {
		return nil, fmt.Errorf("protocol version %s of the stream is unknown", briefly(parts[0]))
	}
	if system, isDict := parts[1].(*Dict); isDict {
		if little, found := system.Get("little_endian"); found && little != true {
			return nil, errors.New("the file is big-endian; save it on a little-endian machine")
		}
	}
	keys, isList := parts[3].(*list)
	if !isList {
		return nil, errors.New("the stream has no list of storages")
	}
	storages, err := streamStorages(machine.rest(), keys.items, machine.elementSizes)
	if err != nil {
		return nil, err
	}
	return resolve(parts[2], func(key string) ([]byte, error) {
		content, found := storages[key]
		if !found {
			return nil, fmt.Errorf("storage %s is not in the file", key)
		}
		return content, nil
	}, newBudget(len(data)))
}

func streamStorages(data []byte, keys []any, elementSizes map[string]int) (map[string][]byte, error) {
	storages := map[string][]byte{}
	for _, item := range keys {
		key, isText := item.(string)
		if !isText {
			return nil, fmt.Errorf("storage key %s is not a string", briefly(item))
		}
		if len(data) < 8 {
			return nil, fmt.Errorf("storage %s: the file is truncated", key)
		}
		count := binary.LittleEndian.Uint64(data)
		data = data[8:]
		size, known := elementSizes[key]
		if !known {
			return nil, fmt.Errorf("storage %s belongs to no tensor", key)
		}
		if count > uint64(len(data)/size) {
			return nil, fmt.Errorf("storage %s of %d elements reaches past the end; the file is truncated", key, count)
		}
		end := int(count) * size
		storages[key], data = data[:end:end], data[end:]
	}
	return storages, nil
}

// TensorsOf lists the tensors of a dictionary (a state dict) by key, leaving out values of
// other kinds. The error says what the value is instead when it is not a dictionary.
func TensorsOf(value any) (map[string]Tensor, error) {
	dict, isDict := value.(*Dict)
	if !isDict {
		return nil, fmt.Errorf("torch file: it holds %s instead of a dictionary of tensors", kindOf(value))
	}
	tensors := map[string]Tensor{}
	for i, key := range dict.Keys {
		name, isText := key.(string)
		if tensor, isTensor := dict.Values[i].(Tensor); isTensor && isText {
			tensor.Name = name
			tensors[name] = tensor
		}
	}
	return tensors, nil
}

// briefly shows a pickled value in an error: numbers and short texts as they are, else what
// it is, since a list can be as long as the file.
func briefly(value any) string {
	switch v := value.(type) {
	case int64, float64, bool:
		return fmt.Sprint(v)
	case string:
		return fmt.Sprintf("%.60q", v)
	}
	return kindOf(value)
}

func kindOf(value any) string {
	switch v := value.(type) {
	case []any:
		return "a list"
	case Tensor:
		return "one tensor"
	case *Object:
		return "an object of " + v.Class
	case nil:
		return "nothing"
	}
	return strings.TrimPrefix(fmt.Sprintf("a value of type %T", value), "*")
}
