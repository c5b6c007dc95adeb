package weights

import (
	"errors"
	"fmt"
	"slices"
)

// object executes the opcodes that name classes and make objects.
func (u *unpickler) object(code byte) error {
	switch code {
	case 'c':
		module, err := u.line()
		if err != nil {
			return err
		}
		name, err := u.line()
		if err != nil {
			return err
		}
		return u.pushGlobal(module, name)
	case 'Q':
		value, err := u.pop()
		if err != nil {
			return err
		}
		return u.pushStorage(value)
	}
	argument, err := u.pop()
	if err != nil {
		return err
	}
	target, err := u.pop()
	if err != nil {
		return err
	}
	switch code {
	case 0x93: // STACK_GLOBAL
		module, isText := target.(string)
		name, isText2 := argument.(string)
		if !isText || !isText2 {
			return errors.New("a global of the pickle is not named by strings")
		}
		return u.pushGlobal(module, name)
	case 'b':
		return u.build(target, argument)
	}
	return u.construct(target, argument)
}

// pushGlobal admits a global by name, before anything could use it.
func (u *unpickler) pushGlobal(module, name string) error {
	full := global(module + "." + name)
	_, isStorage := storageTypes[full]
	_, isConstructor := constructors[full]
	switch {
	case isStorage, isConstructor, slices.Contains(u.inert, string(full)):
		u.push(full)
	case slices.Contains(torchDTypes, full):
		u.push(string(full))
	default:
		return fmt.Errorf("it refers to %s, which a file of weights has no use for; nothing was run. Save a plain dictionary of tensors instead", full)
	}
	return nil
}

// pushStorage reads a persistent id: ("storage", class, key, device, elements). The device
// is of no interest, the bytes are in the file.
func (u *unpickler) pushStorage(value any) error {
	id, isTuple := value.(*list)
	if !isTuple || len(id.items) < 5 || id.items[0] != any("storage") {
		return errors.New("a persistent id of the pickle is not a storage")
	}
	class, isClass := id.items[1].(global)
	key, isText := id.items[2].(string)
	elements, isInt := id.items[4].(int64)
	dtype, known := storageTypes[class]
	if !isClass || !isText || !isInt || elements < 0 || !known {
		return errors.New("a storage of the pickle is malformed or of an unknown element type")
	}
	if len(id.items) > 5 && id.items[5] != nil {
		return fmt.Errorf("storage %s is a view of another one, a layout only very old files have; save the file again", key)
	}
	u.elementSizes[key] = bitsOf[dtype] / 8
	u.push(storage{key, dtype, elements})
	return nil
}

// build fills an object with state. Ordered dictionaries carry attributes (_metadata) that
// no reader needs.
func (u *unpickler) build(target, state any) error {
	switch object := target.(type) {
	case *Dict:
	case *Object:
		object.State = state
	default:
		return errors.New("the pickle gives attributes to something that has none")
	}
	u.push(target)
	return nil
}

// construct makes what a call or class instantiation stands for.
func (u *unpickler) construct(target, argument any) error {
	class, isGlobal := target.(global)
	args, isTuple := argument.(*list)
	if !isGlobal || !isTuple {
		return errors.New("the pickle calls something that is not a known class")
	}
	if slices.Contains(u.inert, string(class)) {
		u.push(&Object{Class: string(class), Args: args.items})
		return nil
	}
	make, known := constructors[class]
	if !known {
		return fmt.Errorf("the pickle calls %s, which makes nothing", class)
	}
	if err := u.copies.take(sizeOfCall(args.items)); err != nil {
		return fmt.Errorf("%s: %w", class, err)
	}
	value, err := make(args.items)
	if err != nil {
		return fmt.Errorf("%s: %w", class, err)
	}
	u.push(value)
	return nil
}

// sizeOfCall is what a constructor copies of its arguments, in bytes.
func sizeOfCall(args []any) uint64 {
	size := uint64(0)
	for _, arg := range args {
		switch v := arg.(type) {
		case *list:
			size += 32 * uint64(len(v.items))
		case string:
			size += uint64(len(v))
		}
	}
	return size
}

func firstArgument(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("an argument is missing")
	}
	return args[0], nil
}

func makeOrderedDict(args []any) (any, error) {
	dict := &Dict{}
	if len(args) == 0 {
		return dict, nil
	}
	pairs, isList := args[0].(*list)
	if !isList {
		return nil, errors.New("its content is not a list of pairs")
	}
	for _, item := range pairs.items {
		pair, isPair := item.(*list)
		if !isPair || len(pair.items) != 2 {
			return nil, errors.New("its content is not a list of pairs")
		}
		dict.Keys, dict.Values = append(dict.Keys, pair.items[0]), append(dict.Values, pair.items[1])
	}
	return dict, nil
}

// makeTensor reads (storage, offset, shape, strides, …).
func makeTensor(args []any) (any, error) {
	if len(args) < 4 {
		return nil, errors.New("arguments are missing")
	}
	base, isStorage := args[0].(storage)
	offset, isInt := args[1].(int64)
	shape, err := sizesOf(args[2])
	if err != nil {
		return nil, err
	}
	strides, err := sizesOf(args[3])
	if err != nil {
		return nil, err
	}
	if !isStorage || !isInt || offset < 0 || offset > base.elements || len(shape) != len(strides) {
		return nil, errors.New("storage, offset, shape and strides do not fit together")
	}
	return pickledTensor{base, int(offset), shape, strides}, nil
}

func sizesOf(value any) ([]int, error) {
	items, isTuple := value.(*list)
	if !isTuple {
		return nil, errors.New("a shape is not a tuple")
	}
	sizes := make([]int, len(items.items))
	for i, item := range items.items {
		size, isInt := item.(int64)
		if !isInt || size < 0 || size > 1<<48 {
			return nil, fmt.Errorf("a shape or stride holds %s", briefly(item))
		}
		sizes[i] = int(size)
	}
	return sizes, nil
}

// encodeLatin1 undoes the way Python 3 writes bytes in old pickle protocols: as text whose
// characters are the bytes.
func encodeLatin1(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("an argument is missing")
	}
	text, isText := args[0].(string)
	if !isText {
		return nil, errors.New("it encodes something that is not text")
	}
	result := make([]byte, 0, len(text))
	for _, char := range text {
		if char > 255 {
			return nil, errors.New("it encodes characters that are not bytes")
		}
		result = append(result, byte(char))
	}
	return result, nil
}
