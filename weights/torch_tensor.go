package weights

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

// resolve turns what the pickle machine made into the public types, giving tensors their
// bytes. Shared values stay shared; a value that contains itself is refused.
func resolve(value any, storages func(key string) ([]byte, error), copies *budget) (any, error) {
	resolver := &resolver{storages: storages, copies: copies, done: map[any]any{}, open: map[any]bool{}}
	return resolver.value(value, "")
}

// maxNesting bounds the depth of containers, so that no file can exhaust the stack.
const maxNesting = 1000

type resolver struct {
	storages func(string) ([]byte, error)
	copies   *budget // for tensors that are not contiguous
	done     map[any]any
	open     map[any]bool // containers around the present value
}

func (r *resolver) value(value any, name string) (any, error) {
	switch v := value.(type) {
	case pickledTensor:
		return r.tensor(v, name)
	case *big.Int:
		return nil, fmt.Errorf("%s: a number of %d bits is too large", name, v.BitLen())
	case storage:
		return nil, fmt.Errorf("%s: a bare storage is not supported; save tensors", name)
	case mark:
		return nil, fmt.Errorf("%s: the pickle leaves a mark where a value belongs", name)
	case global:
		_, isStorage := storageTypes[v]
		if _, isConstructor := constructors[v]; isStorage || isConstructor {
			return nil, fmt.Errorf("%s: the class %s itself was saved; save a dictionary of tensors", name, v)
		}
		return string(v), nil // a class the caller allowed
	case *list, *Dict, *Object:
		if result, done := r.done[value]; done {
			return result, nil
		}
		if r.open[value] || len(r.open) == maxNesting {
			return nil, fmt.Errorf("a value contains itself or is nested deeper than %d", maxNesting)
		}
		r.open[value] = true
		result, err := r.container(value, name)
		delete(r.open, value)
		r.done[value] = result
		return result, err
	}
	return value, nil
}

func (r *resolver) container(value any, name string) (any, error) {
	switch v := value.(type) {
	case *list:
		return r.slice(v.items, name)
	case *Dict:
		var err error
		result := &Dict{Keys: make([]any, len(v.Keys)), Values: make([]any, len(v.Values))}
		for i, key := range v.Keys {
			if result.Keys[i], err = r.value(key, name); err != nil {
				return nil, err
			}
			if result.Values[i], err = r.value(v.Values[i], keyName(name, key)); err != nil {
				return nil, err
			}
		}
		return result, nil
	case *Object:
		args, err := r.slice(v.Args, name+"("+v.Class+")")
		if err != nil {
			return nil, err
		}
		state, err := r.value(v.State, name+"("+v.Class+")")
		return &Object{Class: v.Class, Args: args, State: state}, err
	}
	return value, nil
}

func (r *resolver) slice(items []any, name string) ([]any, error) {
	result := make([]any, len(items))
	for i, item := range items {
		var err error
		if result[i], err = r.value(item, keyName(name, i)); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// longestName bounds the dotted path, which would grow with the depth of a file.
const longestName = 200

// keyName extends the dotted path that errors and tensors are named by.
func keyName(name string, key any) string {
	text, isText := key.(string)
	if !isText {
		text = briefly(key)
		if i, isIndex := key.(int); isIndex {
			text = strconv.Itoa(i)
		}
	}
	text = text[:min(len(text), longestName)]
	if name != "" {
		text = name + "." + text
	}
	return text[:min(len(text), longestName)]
}

func (r *resolver) tensor(t pickledTensor, name string) (Tensor, error) {
	content, err := r.storages(t.storage.key)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %s: %w", name, err)
	}
	size := bitsOf[t.storage.dtype] / 8
	if want := t.storage.elements; want > int64(len(content)/size) {
		return Tensor{}, fmt.Errorf("tensor %s: storage %s has %d bytes and needs %d; the file is damaged",
			name, t.storage.key, len(content), want*int64(size))
	}
	tensor := Tensor{Name: name, DType: t.storage.dtype, Shape: t.shape}
	elements, err := byteSize(tensor.DType, unsigned(t.shape))
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %s: %w", name, err)
	}
	if elements == 0 {
		tensor.Data = []byte{}
		return tensor, nil
	}
	if err := t.checkBounds(len(content) / size); err != nil {
		return Tensor{}, fmt.Errorf("tensor %s: %w", name, err)
	}
	content = content[t.offset*size:]
	if t.contiguous() {
		tensor.Data = content[:elements:elements]
		return tensor, nil
	}
	if err := r.copies.take(elements); err != nil {
		return Tensor{}, fmt.Errorf("tensor %s of shape %v: %w", name, t.shape, err)
	}
	tensor.Data = rowMajor(content, t.shape, t.strides, size)
	return tensor, nil
}

func (t pickledTensor) contiguous() bool {
	step := 1
	for i, size := range slices.Backward(t.shape) {
		if size != 1 && t.strides[i] != step {
			return false
		}
		step *= size
	}
	return true
}

// checkBounds verifies that every element lies inside a storage of the given length.
func (t pickledTensor) checkBounds(length int) error {
	last := big.NewInt(int64(t.offset))
	for i, size := range t.shape {
		step := new(big.Int).Mul(big.NewInt(int64(size-1)), big.NewInt(int64(t.strides[i])))
		last.Add(last, step)
	}
	if last.Cmp(big.NewInt(int64(length))) >= 0 {
		return fmt.Errorf("offset %d, shape %v and strides %v reach outside its storage of %d elements", t.offset, t.shape, t.strides, length)
	}
	return nil
}
