// Package sae reads and runs sparse autoencoders and transcoders: the registry of
// released sources, the file dialects they are published in, and their arithmetic.
package sae

import (
	"context"

	"npinf/kernels"
	"npinf/weights"
)

// Row is one released source of the registry.
type Row struct {
	NeuronpediaModel string // "gpt2-small"; "" for rows without a neuronpedia id
	Source           string // "7-res-jb": what requests call it
	Set              string // "res-jb": Source without its first dash-part
	Release          string
	ID               string // SAELens id inside the release
	Repo             string // Hugging Face repository
	Path             string // path in the repository
	Dialect          string // file dialect, sae.md §6
	Model            string // lookup key of the directory
	// NormScalingFactor is folded by expected_average_only_in; 0 means none.
	NormScalingFactor float64
	// Overrides replace keys of the configuration the dialect produced.
	Overrides map[string]any
}

// Registry is the directory of released sources, in directory order.
type Registry struct {
	rows      []Row                 // with a neuronpedia id
	unlisted  func() ([]Row, error) // without one
	releases  []Release             // all of them
	directory map[string]bool       // models with a release
	aliases   map[string]string     // neuronpedia model id → Hugging Face id
}

// OpenRegistry reads the registry embedded in the binary.
func OpenRegistry() (*Registry, error) { return openRegistry() }

// Set is a source set chosen from the registry.
type Set struct {
	Name    string
	Sources []Row
}

// LoadOptions tell Load how to read a source.
type LoadOptions struct {
	Device kernels.Device
	// DType is the storage type, SAE_DTYPE: "float32", "bfloat16" or "float16". Arithmetic is
	// float32 with each.
	DType string
}

// Source is a loaded sparse autoencoder or transcoder, ready to encode. It is immutable
// and may be used by many goroutines.
type Source struct {
	Architecture  string // standard, jumprelu, gated, topk, …
	Features      int    // d_sae
	Width         int    // d_in
	OutputWidth   int    // d_out
	HookName      string // TransformerLens name of the place it reads; never empty
	Layer         int    // from the hook name; -1 when it has none
	DType         string
	NeuronpediaID string // of the metadata; decides direct feature attribution
	Folded        bool   // decoder norms are folded into the activations
	Config        map[string]any
	Metadata      map[string]any

	device  kernels.Device
	encoder kernels.Encoder
	input   inputRule
	decoder decoder
	// directions holds the encoder columns as rows; nil for neurons.
	directions *kernels.Weight
	// codes computes the activations themselves for the architectures whose encoder is more
	// than one product (temporal, matching_pursuit); nil for the others.
	codes    func(device kernels.Device, z kernels.Buffer) kernels.Buffer
	temporal *temporal
	weights  []*kernels.Weight // everything on the device, for Bytes
	release  func()
}

// Load reads the source a registry row describes from its repository. The error names the
// repository, the file and the field or tensor.
func Load(ctx context.Context, files weights.Files, row Row, options LoadOptions) (*Source, error) {
	return load(ctx, files, row, options)
}

// Paths lists the files of the repository that Load will read for a row, for planning a
// download. has tells which optional files exist.
func Paths(row Row, has func(path string) bool) ([]string, error) { return paths(row, has) }

// Prepare turns captured rows into encoder input: normalisation and b_dec subtraction. The
// result is a new buffer for the caller to release, or x itself when nothing is to be done.
// The rows must be one prompt in order, because those of a temporal source depend on the
// earlier ones. For temporal and matching_pursuit sources the result is the activations,
// [rows, Features], which their Encoder passes on.
func (s *Source) Prepare(device kernels.Device, x kernels.Buffer) kernels.Buffer {
	return s.prepare(device, x)
}

// Encoder is the encoding half for the Device.Encode… operations on prepared rows.
func (s *Source) Encoder() *kernels.Encoder { return &s.encoder }

// EncoderRow returns the folded encoder direction of a feature, [Width]: a column of W_enc
// times the decoder norm and the normalisation factor where those are folded.
func (s *Source) EncoderRow(device kernels.Device, feature int) ([]float32, error) {
	return s.encoderRow(device, feature)
}

// DecoderRow returns the folded (unit) decoder direction of a feature, [OutputWidth].
func (s *Source) DecoderRow(feature int) ([]float32, error) { return s.decoderRow(feature) }

// Attribution reports whether direct feature attribution makes sense for the source: its id
// says attention and its hook is z.
func (s *Source) Attribution() bool { return s.attribution() }

// Bytes is the memory the source holds, mapped files included.
func (s *Source) Bytes() int64 { return s.bytes() }

// Close gives back memory and files. Nothing of the source may be in use, or used afterwards.
func (s *Source) Close() { s.close() }
