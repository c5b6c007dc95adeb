package sae

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"

	"npinf/kernels"
	"npinf/weights"
)

// smallestNorm is the floor of decoder norms, as in SAELens: a feature without a decoder
// still fires, with tiny values.
const smallestNorm = 1e-8

// storageTypes are the values of SAE_DTYPE.
var storageTypes = map[string]kernels.DType{"float32": kernels.F32, "bfloat16": kernels.BF16, "float16": kernels.F16}

func load(ctx context.Context, files weights.Files, row Row, options LoadOptions) (*Source, error) {
	found, err := findDialect(row)
	if err != nil {
		return nil, err
	}
	r := &repository{ctx: ctx, files: files}
	source, err := build(r, found, row, options)
	if err != nil {
		r.release()
		return nil, fmt.Errorf("%s: source %s: %w", row.Repo, row.Path, err)
	}
	return source, nil
}

// build goes through the steps of sae.md §4.
func build(r *repository, found dialect, row Row, options LoadOptions) (*Source, error) {
	b, err := assemble(r, found, row, options)
	if err != nil {
		return nil, err
	}
	source, err := b.source()
	if err != nil {
		source.close()
		return nil, err
	}
	source.DType = options.DType
	if encoder, found := b.parameters["W_enc"]; found && encoder.matrix().Transposed {
		r.drop() // the encoder was copied, and of the decoder few rows are read
	}
	source.release = r.release
	return source, nil
}

// assemble reads, completes and checks everything before anything is placed on a device.
func assemble(r *repository, found dialect, row Row, options LoadOptions) (*builder, error) {
	storage, known := storageTypes[options.DType]
	if !known {
		return nil, fmt.Errorf("SAE_DTYPE %q is not a storage type; use float32, bfloat16 or float16", options.DType)
	}
	d, err := found.read(r, row)
	if err != nil {
		return nil, err
	}
	s, err := settle(overridden(d.config, row), d.configName)
	if err != nil {
		return nil, err
	}
	wanted, err := s.wanted()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.configName, err)
	}
	if err := checkParameters(d.parameters, wanted, s.architecture, d.weightName); err != nil {
		return nil, err
	}
	for name, p := range d.parameters {
		p.rounding = storage
		d.parameters[name] = p
	}
	b := &builder{settings: s, parameters: d.parameters, device: options.Device, factor: 1}
	factor := cmp.Or(row.NormScalingFactor, d.factor)
	switch {
	case s.normalize == normalizeExpected && factor != 0:
		b.factor = float32(factor)
		s.fields["normalize_activations"] = normalizeNone
	case s.normalize == normalizeExpected:
		slog.Warn("a source was trained on scaled inputs and nothing tells the factor; it is computed without",
			"source", row.Path, "config", d.configName)
	}
	return b, nil
}

// overridden is the dialect's configuration with what the registry knows better.
func overridden(config map[string]any, row Row) map[string]any {
	result := map[string]any{}
	maps.Copy(result, config)
	maps.Copy(result, row.Overrides)
	if id := row.NeuronpediaID(); id != "" {
		result["neuronpedia_id"] = id
	} else if row.Release != "" {
		result["neuronpedia_id"] = nil
	}
	return result
}

// builder places a checked source on a device.
type builder struct {
	*settings
	parameters map[string]parameter
	device     kernels.Device
	factor     float32 // of expected_average_only_in; 1 for none
}

func (b *builder) source() (*Source, error) {
	source := &Source{
		Architecture: b.architecture, Features: b.dSAE, Width: b.dIn, OutputWidth: b.dOut,
		HookName: b.hook, Layer: layerOf(b.hook), Config: b.fields, Metadata: b.metadata, device: b.device,
	}
	source.NeuronpediaID, _ = b.metadata["neuronpedia_id"].(string)
	source.decoder = b.decode()
	source.input = b.inputRule()
	switch b.architecture {
	case "temporal":
		return source, b.temporalCodes(source)
	case "matching_pursuit":
		return source, b.pursuitCodes(source)
	}
	source.Folded = !b.design.ranked || b.rescale
	if !source.Folded {
		source.decoder.norms = nil
	}
	return source, b.encode(source)
}

// encode fills the encoder. W_enc stays as it was trained: the norms of folding and, for
// rescaled top-k, of ranking are factors of the result.
func (b *builder) encode(source *Source) error {
	w, err := b.place(source, b.parameters["W_enc"])
	if err != nil {
		return err
	}
	source.directions = w
	e := kernels.Encoder{Kind: b.design.kind, Features: b.dSAE, Width: b.dIn, W: w, K: b.k}
	if e.Kind == kernels.EncodeGated {
		magnitude := b.parameters["r_mag"].floats()
		for i, v := range magnitude {
			magnitude[i] = float32(math.Exp(float64(v)))
		}
		e.Bias, e.Magnitude, e.MagnitudeBias = b.vector("b_gate"), b.upload(magnitude), b.vector("b_mag")
	} else {
		e.Bias = b.vector("b_enc")
	}
	if e.Kind == kernels.EncodeJumpReLU {
		e.Threshold = b.vector("threshold")
	}
	if source.Folded {
		norms := b.upload(source.decoder.norms)
		if b.design.ranked {
			e.Rank = norms
		} else {
			e.Scale = norms
		}
	}
	source.encoder = e
	return nil
}

// place loads a matrix and counts it among the source's.
func (b *builder) place(source *Source, p parameter) (*kernels.Weight, error) {
	w, err := b.device.LoadWeight(p.matrix())
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", p.Name, err)
	}
	source.weights = append(source.weights, w)
	return w, nil
}

func (b *builder) upload(values []float32) kernels.Buffer {
	return b.device.Upload(1, len(values), values)
}

// vector places a one-dimensional parameter on the device.
func (b *builder) vector(name string) kernels.Buffer { return b.upload(b.parameters[name].floats()) }

// inputRule is what happens to a captured row before the encoder sees it: scale it to the
// length the source was trained on, normalise it, subtract b_dec.
type inputRule struct {
	factor   float32
	norm     *kernels.Norm
	subtract kernels.Buffer // [1, Width] or zero
}

func (b *builder) inputRule() inputRule {
	rule := inputRule{factor: b.factor}
	switch b.normalize {
	case normalizeLayer:
		rule.norm = &kernels.Norm{Kind: kernels.SampleNorm, Eps: 1e-5}
	case normalizeLength:
		rule.norm = &kernels.Norm{Kind: kernels.LengthNorm}
	case normalizeScalar:
		rule.factor = b.scalarFactor()
	}
	if b.subtract && !b.design.transcoder {
		if bias := b.parameters["b_dec"].floats(); !allZero(bias) {
			rule.subtract = b.upload(bias)
		}
	}
	return rule
}

func allZero(values []float32) bool {
	for _, v := range values {
		if v != 0 { // true for NaN
			return false
		}
	}
	return true
}

// idle reports whether the rule leaves rows as they are.
func (rule inputRule) idle() bool {
	return rule.norm == nil && rule.factor == 1 && rule.subtract.IsZero()
}

// apply applies the rule; the result is a new buffer, or x itself when the rule is idle.
func (rule inputRule) apply(device kernels.Device, x kernels.Buffer) kernels.Buffer {
	if rule.idle() {
		return x
	}
	z := device.NewBuffer(x.Rows, x.Width)
	source := x
	if rule.factor != 1 {
		device.Scale(z, source, rule.factor)
		source = z
	}
	if rule.norm != nil {
		device.Norm(z, source, *rule.norm)
		source = z
	}
	if !rule.subtract.IsZero() {
		device.AddRow(z, source, rule.subtract, -1)
	}
	return z
}

func (s *Source) prepare(device kernels.Device, x kernels.Buffer) kernels.Buffer {
	z := s.input.apply(device, x)
	if s.codes == nil {
		return z
	}
	codes := s.codes(device, z)
	if !s.input.idle() {
		device.Release(z)
	}
	return codes
}

func (s *Source) attribution() bool {
	attention := strings.Contains(s.NeuronpediaID, "-att-") || strings.Contains(s.NeuronpediaID, "-att_")
	return attention && strings.HasSuffix(s.HookName, "hook_z")
}

func (s *Source) buffers() []kernels.Buffer {
	e := &s.encoder
	list := []kernels.Buffer{e.Bias, e.Threshold, e.Magnitude, e.MagnitudeBias, e.Rank, e.Scale, s.input.subtract}
	if s.temporal != nil {
		for _, layer := range s.temporal.layers {
			list = append(list, layer.key.bias, layer.query.bias, layer.value.bias, layer.out.bias)
		}
	}
	return list
}

func (s *Source) close() {
	for _, b := range s.buffers() {
		if !b.IsZero() {
			s.device.Release(b)
		}
	}
	for _, w := range s.weights {
		s.device.Unload(w)
	}
	if s.release != nil {
		s.release()
	}
}

func (s *Source) bytes() int64 {
	total := s.decoder.bytes()
	for _, w := range s.weights {
		total += w.Bytes()
	}
	for _, b := range s.buffers() {
		total += 4 * int64(b.Rows) * int64(b.Width)
	}
	return total
}
