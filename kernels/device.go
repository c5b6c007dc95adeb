// Package kernels does the arithmetic: a small interface of coarse operations over
// opaque buffers, and the CPU device that implements it in Go and assembly. The
// packages above are written once against Device; another device adds files here
// and no branches there.
package kernels

import "errors"

// ErrUnsupported is returned by a device for an operation it cannot do.
var ErrUnsupported = errors.New("operation not supported by this device")

// Buffer is a [Rows, Width] matrix of float32 activations in device memory. It is a
// view: copying a Buffer copies no data. The zero Buffer means "absent".
type Buffer struct {
	Rows, Width int
	Stride      int // elements from one row to the next, at least Width

	host []float32 // CPU device: rows start at multiples of Stride
	ptr  uintptr   // other devices
}

// IsZero reports whether b is the absent buffer.
func (b Buffer) IsZero() bool { return b.host == nil && b.ptr == 0 }

// Same reports whether two buffers begin at the same memory, so that releasing one gives
// back the other.
func (b Buffer) Same(other Buffer) bool {
	if b.ptr != other.ptr || len(b.host) == 0 || len(other.host) == 0 {
		return b.ptr == other.ptr && len(b.host) == len(other.host)
	}
	return &b.host[0] == &other.host[0]
}

// Weight is a [Out, In] matrix in device memory, row-major, one row per output.
// It is immutable after it was made and may be shared by any number of goroutines.
type Weight struct {
	Out, In int
	DType   DType

	f32    []float32 // exactly one of f32, u16 and i8 is set on the CPU device
	u16    []uint16
	i8     []int8
	scales []float32 // of the rows of i8
	pairs  bool      // Linear rounds what it multiplies with this weight
	//lint:ignore U1000 set by devices that a build tag adds
	ptr uintptr
	// free gives back memory outside the Go heap; nil where the weight has none.
	free func()
}

// Bytes returns the size of the weight in device memory.
func (w *Weight) Bytes() int64 { return w.DType.Bytes(w.Out, w.In) }

// Product is one of the products of Linears: Dst = x·Wᵀ + Bias. Bias may be absent.
type Product struct {
	Dst  Buffer
	W    *Weight
	Bias Buffer
}

// HostMatrix is a matrix in host memory as a file stores it, little-endian.
type HostMatrix struct {
	Data    []byte
	DType   DType
	Out, In int
	// Transposed says that Data is [In, Out] (GPT-2's Conv1D, a SAE's W_enc). The device
	// stores [Out, In]; a transposed matrix is copied once at load.
	Transposed bool
	// Convert, when not nil, is the storage type wanted on the device. Nil keeps DType. I8
	// can only be had this way, DType is never I8.
	Convert *DType
	// MayRound allows a device made for it to round the rows that Linear multiplies with this
	// matrix to bfloat16. Without it products are exact to float32 on every device.
	MayRound bool
	// Borrow allows the device to keep using Data (mapped files): the caller promises
	// that it stays valid and unchanged as long as the weight lives.
	Borrow bool
}

// NormKind selects the normalisation of a Norm.
type NormKind uint8

// The normalisations.
const (
	RMSNorm    NormKind = iota // x · gain / sqrt(mean(x²) + eps)
	LayerNorm                  // (x - mean) · gain / sqrt(var(x) + eps) + bias
	SampleNorm                 // (x - mean) / (sample standard deviation + eps), SAELens' layer_norm
	LengthNorm                 // x · sqrt(width) / ‖x‖, SAELens' constant_norm_rescale; NaN for a zero row
)

// Norm describes one normalisation. A family that multiplies by (1 + w) folds the one
// into Gain at load.
type Norm struct {
	Kind NormKind
	// Gain and Bias are [1, Group] or [1, Width]; the zero Buffer means ones and zeros.
	Gain, Bias Buffer
	Eps        float32
	// Group is the width normalised together (a head); 0 means the whole row.
	Group int
}

// Activation is an elementwise non-linearity.
type Activation uint8

// The activation functions of the supported families.
const (
	Identity  Activation = iota
	ReLU                 // max(x, 0)
	GELU                 // x · Φ(x), exact (erf)
	GELUTanh             // the tanh form: gelu_new, gelu_pytorch_tanh, gelu_fast
	SiLU                 // x · σ(x), also called swish
	QuickGELU            // x · σ(1.702 x)
	Sigmoid              // σ(x)
)

// Rotation is a rotary position embedding to be applied to heads in place.
type Rotation struct {
	// Cos and Sin are [rows, RotaryDim/2], one row per row of x.
	Cos, Sin       Buffer
	Heads, HeadDim int
	RotaryDim      int  // leading dims of each head that rotate; the rest pass through
	Interleaved    bool // pairs are (2i, 2i+1) instead of (i, i+RotaryDim/2)
}

// Attention describes softmax(Scale·Q·Kᵀ + mask)·V for the rows of one sequence.
// Query row r stands at absolute position FirstPosition+r and sees the keys at
// absolute positions <= its own (and > its own - Window when Window > 0).
type Attention struct {
	Q    Buffer // [rows, Heads·HeadDim], already rotated
	K, V Buffer // [keys, KVHeads·HeadDim], [keys, KVHeads·ValueDim]
	Out  Buffer // [rows, Heads·ValueDim]

	Heads, KVHeads    int // query head h reads kv head h / (Heads/KVHeads)
	HeadDim, ValueDim int
	FirstPosition     int     // absolute position of Q's row 0
	FirstKey          int     // absolute position of K's row 0
	Scale             float32 // multiplies the scores
	Softcap           float32 // scores become cap·tanh(score/cap); 0 = none
	Window            int     // keys a query can see, itself included; 0 = all
	Sinks             Buffer  // [1, Heads] extra logit per head that takes probability only; zero = none

	// Scores and Probs are optional results, [Heads·rows, keys], row h·rows + r. Hidden
	// keys hold -MaxFloat32 in Scores and 0 in Probs. Zero = not wanted.
	Scores, Probs Buffer
}

// EncoderKind is the activation rule of a sparse autoencoder.
type EncoderKind uint8

// The rules. pre = x·Wᵀ + Bias, per feature.
const (
	EncodeReLU     EncoderKind = iota // max(pre, 0)
	EncodeJumpReLU                    // max(pre, 0) where pre > Threshold, else 0
	EncodeGated                       // max(pre·Magnitude + MagnitudeBias, 0) where pre > 0, else 0; pre uses Bias = b_gate without MagnitudeBias
	EncodeTopK                        // max(pre, 0) for the K largest pre·Rank of a row, else 0
	EncodeAbsTopK                     // pre for the K largest |pre·Rank| of a row, else 0
	EncodeIdentity                    // pre (neurons and plain projections)
)

// Encoder is the encoding half of a sparse autoencoder on a device. Its results are
// always multiplied by Scale, which holds the decoder norms ("folding"); thresholds and
// the choice of the K largest act before it. Ties are broken by index, lowest first.
type Encoder struct {
	Kind     EncoderKind
	Features int
	Width    int     // of the input rows
	W        *Weight // [Features, Width]; nil only for neurons: the input row is the activation
	Bias     Buffer  // [1, Features] or zero
	// Threshold is [1, Features] for EncodeJumpReLU.
	Threshold Buffer
	// Magnitude is exp(r_mag) and MagnitudeBias b_mag, [1, Features], for EncodeGated.
	// With p = x·Wᵀ: gate = p + Bias, value = p·Magnitude + MagnitudeBias.
	Magnitude, MagnitudeBias Buffer
	// Rank multiplies pre before the K largest are chosen and the value itself
	// (SAELens' rescale_acts_by_decoder_norm), [1, Features]; zero = ones.
	Rank  Buffer
	K     int
	Scale Buffer // [1, Features]; zero = ones
}

// FeaturePeak is one feature's summary over the rows of a prompt.
type FeaturePeak struct {
	Feature int
	Key     float32 // what it was ranked by: Sum when sort rows were given, else Max
	Max     float32 // largest activation over the rows
	MaxRow  int     // first row that reaches Max
	Sum     float32 // sum over the sort rows, in their order; 0 without them
}

// FeatureValue is one feature's activation.
type FeatureValue struct {
	Feature int
	Value   float32
}

// PeakOptions choose what EncodePeaks ranks by.
type PeakOptions struct {
	Top      int    // how many features to return at most
	SortRows []int  // rank by the sum over these rows (repeats count); empty = by maximum
	ZeroRows []bool // rows whose activations count as zero; nil = none
}

// Device is the arithmetic seam. Buffers and weights belong to the device that made
// them. All methods may be called from many goroutines at once; two calls must not
// write one buffer at the same time. Shapes are the caller's duty: a device panics on
// a mismatch, because it is a defect of the program and never of its input.
type Device interface {
	// Name is "cpu", "cuda", …; Path says which code runs ("avx512", "avx2", "generic").
	Name() string
	Path() string

	// NewBuffer returns an uninitialised [rows, width] buffer; Release gives it back for reuse.
	NewBuffer(rows, width int) Buffer
	Release(b Buffer)
	// Upload copies host data into a new buffer; Download copies b's rows, dense, into dst.
	Upload(rows, width int, data []float32) Buffer
	Download(dst []float32, b Buffer)
	// View returns rows [row, row+rows) and columns [column, column+width) of b, sharing its memory.
	View(b Buffer, row, rows, column, width int) Buffer
	// Copy copies src into dst, shapes being equal. Gather copies the given rows of src.
	Copy(dst, src Buffer)
	Gather(dst, src Buffer, rows []int)

	// LoadWeight places a matrix on the device.
	LoadWeight(m HostMatrix) (*Weight, error)
	// Unload gives back the memory of a weight that nobody uses, or will use. Twice is once.
	Unload(w *Weight)
	// WeightRows copies rows of w, widened to float32, into dst [len(rows), In].
	WeightRows(dst Buffer, w *Weight, rows []int)

	// Embed writes row ids[r] of table, times scale, to row r of dst; add sums instead of overwriting.
	Embed(dst Buffer, table *Weight, ids []int, scale float32, add bool)
	// Norm normalises src into dst, which may be src.
	Norm(dst, src Buffer, n Norm)
	// Linear computes dst = x·wᵀ + bias, or dst += with add. bias may be zero. dst must not overlap x.
	Linear(dst, x Buffer, w *Weight, bias Buffer, add bool)
	// Linears computes several products of the same x, each as Linear does, at once: query, key
	// and value, gate and up. It keeps nothing of products.
	Linears(x Buffer, products []Product)
	// Rotate applies a rotary embedding to x [rows, Heads·HeadDim] in place.
	Rotate(x Buffer, r Rotation)
	// Attend computes one attention, AttendAll several, those of a batch's sequences for example.
	Attend(a Attention)
	AttendAll(jobs []Attention)
	// Activate computes dst = f(src); Gate computes dst = f(gate) · up. dst may be an operand.
	Activate(dst, src Buffer, f Activation)
	Gate(dst, gate, up Buffer, f Activation)
	// Add computes dst = a + b; Scale dst = src · s; Softcap dst = cap·tanh(src/cap). dst may be an operand.
	Add(dst, a, b Buffer)
	Scale(dst, src Buffer, s float32)
	Softcap(dst, src Buffer, limit float32)
	// AddRow computes dst = src + s·row for every row of src, row being [1, Width]. dst may be src.
	AddRow(dst, src, row Buffer, s float32)
	// RowDots computes dst[r] = x[r] · row, dst being [rows, 1] and row [1, Width].
	RowDots(dst, x, row Buffer)
	// AddScaledRow computes dst[r] += scales[r] · row, scales being [rows, 1]; rows with scale 0
	// stay as they are.
	AddScaledRow(dst, scales, row Buffer)

	// EncodePeaks encodes all rows of x and returns the features with the largest keys,
	// key descending, then feature ascending. No [rows, features] buffer is made.
	EncodePeaks(x Buffer, e *Encoder, o PeakOptions) []FeaturePeak
	// EncodeTopPerRow returns the k largest activations of every row, value descending,
	// then feature ascending; zeros fill up when fewer fire.
	EncodeTopPerRow(x Buffer, e *Encoder, k int) [][]FeatureValue
	// EncodeActive returns the non-zero activations of every row, feature ascending.
	EncodeActive(x Buffer, e *Encoder) [][]FeatureValue
	// EncodeFeatures returns the activations of the given features, dst [rows, len(features)].
	EncodeFeatures(dst, x Buffer, e *Encoder, features []int)
	// TopPerRow returns the k largest values of every row of x, value descending, then column ascending.
	TopPerRow(x Buffer, k int) [][]FeatureValue
	// LogSumExp returns log Σ exp(x[r]) of every row: what turns logits into log-probabilities.
	LogSumExp(x Buffer) []float64
}
