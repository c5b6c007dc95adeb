package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What the pickle machine has on its stack besides plain Go values.
type (
	list    struct{ items []any } // a list, tuple or set
	global  string                // "module.name"
	mark    struct{}
	storage struct {
		key, dtype string
		elements   int64
	}
	pickledTensor struct {
		storage        storage
		offset         int
		shape, strides []int
	}
)

// storageTypes maps torch's storage classes to the dtype of a Tensor.
var storageTypes = map[global]string{
	"torch.FloatStorage": "F32", "torch.DoubleStorage": "F64", "torch.HalfStorage": "F16", "torch.BFloat16Storage": "BF16",
	"torch.LongStorage": "I64", "torch.IntStorage": "I32", "torch.ShortStorage": "I16", "torch.CharStorage": "I8",
	"torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL",
}

// torchDTypes are globals that stand for themselves: a file may mention a dtype.
var torchDTypes = []global{
	"torch.float32", "torch.float64", "torch.float16", "torch.bfloat16", "torch.int64", "torch.int32", "torch.int16",
	"torch.int8", "torch.uint8", "torch.bool",
}

// constructors are the callables a weights file needs; each is replaced by our own code.
var constructors = map[global]func(args []any) (any, error){
	"collections.OrderedDict":                    makeOrderedDict,
	"torch._utils._rebuild_tensor":               makeTensor,
	"torch._utils._rebuild_tensor_v2":            makeTensor,
	"torch._utils._rebuild_parameter":            firstArgument,
	"torch._utils._rebuild_parameter_with_state": firstArgument,
	"torch.Size":     firstArgument,
	"torch.device":   firstArgument,
	"_codecs.encode": encodeLatin1,
}

// unpickler runs the stack program of a pickle. It knows no way to call anything but the
// constructors above.
type unpickler struct {
	code     []byte
	position int
	stack    []any
	memo     map[int]any
	index    map[*Dict]map[any]int // positions of the plain keys, to replace values
	inert    []string
	// elementSizes holds the bytes per element of every storage mentioned so far.
	elementSizes map[string]int
	copies       *budget // for what constructors copy
	steps        int
}

func newUnpickler(code []byte, inert []string) *unpickler {
	dotted := make([]string, len(inert))
	for i, name := range inert {
		dotted[i] = strings.Replace(name, " ", ".", 1)
	}
	return &unpickler{code: code, inert: dotted, index: map[*Dict]map[any]int{}, elementSizes: map[string]int{},
		copies: newBudget(len(code))}
}

// rest is what follows the pickles read so far.
func (u *unpickler) rest() []byte { return u.code[u.position:] }

var errShortPickle = errors.New("the pickle ends early; the file is truncated")

// mostSteps bounds the opcodes of a file: a tensor takes about thirty, and each can make a
// value of a hundred bytes.
const mostSteps = 8 << 20

// run executes one pickle and returns its value.
func (u *unpickler) run() (any, error) {
	u.stack, u.memo = u.stack[:0], map[int]any{}
	for {
		code, err := u.take(1)
		if err != nil {
			return nil, err
		}
		if u.steps++; u.steps > mostSteps {
			return nil, fmt.Errorf("the pickle has more than %d steps, far more than any file of weights", mostSteps)
		}
		if code[0] == '.' {
			value, err := u.pop()
			if _, isMark := value.(mark); isMark && err == nil {
				err = errors.New("the pickle's result is a mark")
			}
			return value, err
		}
		if err := u.step(code[0]); err != nil {
			return nil, err
		}
	}
}

func (u *unpickler) take(count uint64) ([]byte, error) {
	if count > uint64(len(u.code)-u.position) {
		return nil, errShortPickle
	}
	start := u.position
	u.position += int(count)
	return u.code[start:u.position:u.position], nil
}

// number reads a little-endian unsigned number of the given width.
func (u *unpickler) number(width int) (uint64, error) {
	raw, err := u.take(uint64(width))
	var wide [8]byte
	copy(wide[:], raw)
	return binary.LittleEndian.Uint64(wide[:]), err
}

// counted reads a length of the given width and that many bytes.
func (u *unpickler) counted(width int) ([]byte, error) {
	length, err := u.number(width)
	if err != nil {
		return nil, err
	}
	return u.take(length)
}

// line reads text up to the end of a line.
func (u *unpickler) line() (string, error) {
	end := slices.Index(u.code[u.position:], '\n')
	if end < 0 {
		return "", errShortPickle
	}
	text, err := u.take(uint64(end) + 1)
	return strings.TrimSuffix(string(text), "\n"), err
}

func (u *unpickler) push(value any) { u.stack = append(u.stack, value) }

func (u *unpickler) pop() (any, error) {
	if len(u.stack) == 0 {
		return nil, errors.New("the pickle takes from an empty stack")
	}
	value := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return value, nil
}

// popSome takes the topmost values, the deepest first.
func (u *unpickler) popSome(count int) ([]any, error) {
	if len(u.stack) < count {
		return nil, errors.New("the pickle takes from an empty stack")
	}
	items := slices.Clone(u.stack[len(u.stack)-count:])
	u.stack = u.stack[:len(u.stack)-count]
	return items, nil
}

// popMark takes everything above the topmost mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	for i, value := range slices.Backward(u.stack) {
		if _, isMark := value.(mark); isMark {
			items := slices.Clone(u.stack[i+1:])
			u.stack = u.stack[:i]
			return items, nil
		}
	}
	return nil, errors.New("the pickle has no mark where it needs one")
}

// step executes one opcode, named by its letter as in the pickle protocol.
func (u *unpickler) step(code byte) error {
	switch code {
	case 0x80: // PROTO
		_, err := u.take(1)
		return err
	case 0x95: // FRAME
		_, err := u.take(8)
		return err
	case '(':
		u.push(mark{})
		return nil
	case '0':
		_, err := u.pop()
		return err
	case '1':
		_, err := u.popMark()
		return err
	case 'N', 0x88, 0x89, 'K', 'M', 'J', 0x8a, 0x8b, 'G':
		return u.scalar(code)
	case 'X', 0x8c, 0x8d, 'B', 'C', 0x8e, 'T', 'U':
		return u.text(code)
	case 'q', 'r', 0x94, 'h', 'j', '2':
		return u.remember(code)
	case ']', '}', ')', 0x8f, 't', 'l', 0x85, 0x86, 0x87:
		return u.container(code)
	case 'a', 'e', 's', 'u', 'd', 0x90:
		return u.fill(code)
	case 'c', 0x93, 'R', 0x81, 'b', 'Q':
		return u.object(code)
	}
	return fmt.Errorf("pickle opcode 0x%02x at byte %d is not supported", code, u.position-1)
}
