// Package model runs decoder-only transformers: it turns a Hugging Face config.json
// into a description of the architecture, binds the tensors to it and computes the
// forward pass, with taps that read and edits that write at every named point.
package model

import (
	"context"

	"npinf/kernels"
	"npinf/weights"
)

// Point names a place in the forward pass, as in "resid_post". The table in points.go
// says what each one is.
type Point string

// Address is a point at a layer. Points outside the blocks have layer -1.
type Address struct {
	Point Point
	Layer int
}

// Tap asks for the rows of one point. Forward fills in Out.
type Tap struct {
	Address
	// Rows selects among the sequence's Tokens, in any order; nil means all of them. For
	// attn_scores and attn_probs it selects query rows.
	Rows []int
	// Head selects one attention head for attn_scores and attn_probs; -1 means all.
	Head int
	// Out is [rows, width of the point], or [heads·rows, keys] for attn_scores and attn_probs,
	// row h·rows + r. It is device memory owned by the caller, who gives it back with
	// Device.Release. After an error it is zero.
	Out kernels.Buffer
}

// Edit changes the rows at a point before anything reads them. Edits at one point act in
// list order, each seeing what the one before left.
type Edit struct {
	Address
	// Apply changes rows in place. positions holds the absolute position of each row.
	Apply func(device kernels.Device, rows kernels.Buffer, positions []int)
}

// LogitRows says which positions of a sequence get logits.
type LogitRows uint8

// The choices of logits.
const (
	NoLogits LogitRows = iota
	LastLogits
	AllLogits
)

// Sequence is one member of a batch: its new tokens, what it reads and what it changes.
type Sequence struct {
	Tokens []int
	Cache  *Cache // nil: no history and nothing is kept
	Taps   []*Tap
	Edits  []Edit
	Want   LogitRows
	// Logits is filled in by Forward, [1 or len(Tokens), vocabulary], after softcap and
	// multipliers; device memory owned by the caller.
	Logits kernels.Buffer
}

// Options tell Load how to place a model.
type Options struct {
	Device kernels.Device
	// DType is the storage type of the weights: "auto" (as stored), "float32", "bfloat16" or
	// "float16". Arithmetic is float32 with every one of them.
	DType string
	// Int8 rounds matrices that rows are multiplied with to int8, with a scale for each of their
	// rows. Embeddings and routers keep the type that DType says, and MXFP4 stays packed. A tied
	// output matrix becomes one of its own.
	Int8 bool
	// Borrow allows weights to stay in mapped files; the files then stay open until Close.
	Borrow bool
	// ExpertBytes is the memory for experts widened from MXFP4; 0 takes a gibibyte. Those in
	// use are kept beyond it. MXFP4 stays packed whatever DType says, since that loses nothing.
	ExpertBytes int64
}

// Info is what callers may know of a loaded model.
type Info struct {
	Family         string // HF's model_type, such as "gemma2"
	Layers         int
	Width          int // d_model
	Vocabulary     int // rows of the embedding
	Heads          int
	KVHeads        int
	HeadDim        int // query/key width of a head, the model-level value
	MLPWidth       int
	MaxPositions   int
	StopIDs        []int  // generation_config's EOS ids, then config's; may be empty
	StoredDType    string // dtype of the checkpoint, such as "bfloat16"
	WeightBytes    int64
	ParameterCount int64
	RMSEpsilon     float32 // rms_norm_eps, 0 on LayerNorm models
	// RoundsInputs says that the device rounds what it multiplies with some of the weights.
	RoundsInputs bool
}

// Estimate is what a model will need, told before its weights are fetched.
type Estimate struct {
	Family      string
	Files       []string // the files Load will read, in order
	StoredDType string   // as config.json states it; "" when it does not
	// WeightBytes is the memory of the matrices in their stored type; 0 when that cannot be
	// told without the weights.
	WeightBytes int64
	// PackedBytes is the part of WeightBytes that keeps its size whatever type is asked for:
	// experts in MXFP4.
	PackedBytes int64
	// Int8Bytes is the memory of what Options.Int8 rounds, KeptBytes that of the matrices which
	// it leaves as they are stored.
	Int8Bytes, KeptBytes int64
	CacheSize
}

// WeightBytesAs is WeightBytes for the storage type of Options.DType.
func (e Estimate) WeightBytesAs(dtype string) int64 {
	stored, known := storageTypes[e.StoredDType]
	wanted, given := storageTypes[dtype]
	if !known || !given {
		return e.WeightBytes
	}
	return e.PackedBytes + (e.WeightBytes-e.PackedBytes)/int64(stored.Size())*int64(wanted.Size())
}

// Int8WeightBytes is WeightBytesAs with Options.Int8, 0 when it is unknown.
func (e Estimate) Int8WeightBytes(dtype string) int64 {
	if e.WeightBytes == 0 {
		return 0
	}
	kept := Estimate{StoredDType: e.StoredDType, WeightBytes: e.KeptBytes}
	return e.PackedBytes + e.Int8Bytes + kept.WeightBytesAs(dtype)
}

// Plan says which files Load would read from a repository and fails early on an
// architecture that is not supported. Only config.json and the shard index are read.
func Plan(ctx context.Context, files weights.Files) (Estimate, error) { return plan(ctx, files) }

// Load reads a model in Hugging Face layout. The error names every missing, unused and
// mis-shaped tensor at once, or the unsupported architecture or setting.
func Load(ctx context.Context, files weights.Files, options Options) (*Model, error) {
	return load(ctx, files, options)
}

// Forward runs the new tokens of all sequences through the model in one pass, only as deep
// as their taps and logits need. It checks ctx between layers. Sequences of one call must
// not share a Cache; calls may run concurrently.
func (m *Model) Forward(ctx context.Context, batch []*Sequence) error {
	return m.forward(ctx, batch)
}

// Info describes the model.
func (m *Model) Info() Info { return m.info() }

// Check says why a point cannot be read at a layer: unknown point, layer out of range
// (the text holds the number and "out of"), or a point this architecture does not have.
func (m *Model) Check(a Address) error { return m.check(a) }

// PointWidth is the row width of a point at a layer.
func (m *Model) PointWidth(a Address) (int, error) { return m.pointWidth(a) }

// Points lists the points this architecture can capture, sorted.
func (m *Model) Points() []Point { return m.points() }

// ParseHook maps a TransformerLens hook name such as "blocks.7.hook_resid_pre" to an
// address. hook_mlp_out and hook_attn_out mean the residual contribution (mlp_out_post,
// attn_out_post); ln1.hook_normalized and ln2.hook_normalized map to ln1_normalized and
// ln2_normalized.
func ParseHook(name string) (Address, error) { return parseHook(name) }

// HeadValues is the point whose rows are the values each kv head attends to, [pos, kv heads ·
// value width], split out of fused projections; DFA reads it.
const HeadValues Point = "head_values"

// Close gives back the model's memory and files.
func (m *Model) Close() error { return m.close() }
