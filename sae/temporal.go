package sae

import (
	"errors"
	"fmt"
	"math"

	"npinf/kernels"
)

var temporalDefaults = map[string]any{
	"n_heads": 8.0, "n_attn_layers": 1.0, "bottleneck_factor": 64.0, "sae_diff_type": "topk", "kval_topk": nil,
	"tied_weights": true, "activation_normalization_factor": 1.0,
}

// scalarFactor is the factor of constant_scalar_rescale.
func (s *settings) scalarFactor() float32 {
	o := options{values: s.fields}
	return float32(o.number("activation_normalization_factor"))
}

// maxTemporalLayers keeps a nonsense configuration from asking for endless parameters.
const maxTemporalLayers = 64

// temporalSizes are the sizes of a temporal source's attention.
type temporalSizes struct {
	heads, layers, bottleneck int
	tied                      bool
	keep                      int // novel codes kept per row; 0 for all
}

func (s *settings) temporalSizes() (temporalSizes, error) {
	o := &options{values: s.fields, where: "temporal source"}
	sizes := temporalSizes{heads: o.size("n_heads"), layers: o.size("n_attn_layers"), tied: o.boolean("tied_weights")}
	factor := o.size("bottleneck_factor")
	kind := o.text("sae_diff_type")
	if o.err != nil {
		return sizes, o.err
	}
	if sizes.layers > maxTemporalLayers {
		return sizes, fmt.Errorf("n_attn_layers is %d, more than any temporal source has", sizes.layers)
	}
	if s.dSAE%(factor*sizes.heads) != 0 {
		return sizes, fmt.Errorf("d_sae %d is not divisible by bottleneck_factor %d times n_heads %d", s.dSAE, factor, sizes.heads)
	}
	sizes.bottleneck = s.dSAE / factor
	if kind == "topk" && o.has("kval_topk") {
		sizes.keep = o.size("kval_topk")
		if o.err == nil && sizes.keep > s.dSAE {
			o.fail("kval_topk", "is %d, more than the %d features of d_sae", sizes.keep, s.dSAE)
		}
	}
	return sizes, o.err
}

// temporalShapes adds the parameters whose number depends on the configuration.
func (s *settings) temporalShapes(wanted map[string][]int) error {
	sizes, err := s.temporalSizes()
	if err != nil {
		return err
	}
	if !sizes.tied {
		wanted["W_enc"] = s.shapeOf("W_enc")
	}
	for layer := range sizes.layers {
		for name, out := range map[string]int{
			"k_ctx": sizes.bottleneck, "q_target": sizes.bottleneck, "v_ctx": s.dSAE, "c_proj": s.dSAE,
		} {
			prefix := fmt.Sprintf("attn_layers.%d.%s.", layer, name)
			wanted[prefix+"weight"], wanted[prefix+"bias"] = []int{out, s.dSAE}, []int{out}
		}
	}
	return nil
}

// temporal predicts the codes of a row from those of earlier rows; what it cannot predict
// is novel. Rows are one sequence (sae.md §2).
type temporal struct {
	temporalSizes
	features int
	shrink   float32         // 1/(4·d_in)
	encoder  *kernels.Weight // [features, d_in]
	decoder  *kernels.Weight // [d_in, features]
	layers   []temporalLayer
}

type projection struct {
	w    *kernels.Weight
	bias kernels.Buffer
}

type temporalLayer struct{ key, query, value, out projection }

func (b *builder) temporalCodes(source *Source) error {
	sizes, err := b.temporalSizes()
	if err != nil {
		return err
	}
	t := &temporal{temporalSizes: sizes, features: b.dSAE, shrink: 1 / (4 * float32(b.dIn))}
	if t.decoder, err = b.place(source, b.parameters["W_dec"]); err != nil {
		return err
	}
	encoder := b.parameters["W_dec"].flipped()
	if !sizes.tied {
		encoder = b.parameters["W_enc"]
	}
	if t.encoder, err = b.place(source, encoder); err != nil {
		return err
	}
	for layer := range sizes.layers {
		var parts [4]projection
		for i, name := range []string{"k_ctx", "q_target", "v_ctx", "c_proj"} {
			prefix := fmt.Sprintf("attn_layers.%d.%s.", layer, name)
			if parts[i].w, err = b.place(source, b.parameters[prefix+"weight"].flipped()); err != nil {
				return err
			}
			parts[i].bias = b.vector(prefix + "bias")
		}
		t.layers = append(t.layers, temporalLayer{parts[0], parts[1], parts[2], parts[3]})
	}
	source.temporal, source.directions = t, t.encoder
	source.encoder = kernels.Encoder{Kind: kernels.EncodeIdentity, Features: b.dSAE, Width: b.dSAE}
	source.codes = func(device kernels.Device, z kernels.Buffer) kernels.Buffer {
		rest, predicted := t.predict(device, z)
		device.Release(predicted)
		defer device.Release(rest)
		return t.novel(device, rest)
	}
	return nil
}

// products returns relu(shrink · x · E), [rows, features].
func (t *temporal) products(device kernels.Device, x kernels.Buffer) kernels.Buffer {
	small := device.NewBuffer(x.Rows, x.Width)
	defer device.Release(small)
	device.Scale(small, x, t.shrink)
	codes := device.NewBuffer(x.Rows, t.features)
	device.Linear(codes, small, t.encoder, kernels.Buffer{}, false)
	device.Activate(codes, codes, kernels.ReLU)
	return codes
}

// novel returns the codes of what no layer predicted.
func (t *temporal) novel(device kernels.Device, rest kernels.Buffer) kernels.Buffer {
	codes := t.products(device, rest)
	if t.keep == 0 {
		return codes
	}
	defer device.Release(codes)
	kept := make([]float32, codes.Rows*t.features)
	for row, values := range device.TopPerRow(codes, t.keep) {
		for _, v := range values {
			kept[row*t.features+v.Feature] = v.Value
		}
	}
	return device.Upload(codes.Rows, t.features, kept)
}

// predict returns what is left of z after prediction, [rows, d_in], and the predicted
// codes, [rows, features].
func (t *temporal) predict(device kernels.Device, z kernels.Buffer) (rest, predicted kernels.Buffer) {
	left := make([]float32, z.Rows*z.Width)
	device.Download(left, z)
	sum := make([]float32, z.Rows*t.features)
	for _, layer := range t.layers {
		x := device.Upload(z.Rows, z.Width, left)
		codes := t.attend(device, layer, x)
		decoded := device.NewBuffer(z.Rows, z.Width)
		device.Linear(decoded, codes, t.decoder, kernels.Buffer{}, false)
		p, d := make([]float32, len(sum)), make([]float32, len(left))
		device.Download(p, codes)
		device.Download(d, decoded)
		for row := range z.Rows {
			t.subtract(left[row*z.Width:][:z.Width], d[row*z.Width:][:z.Width], sum[row*t.features:][:t.features], p[row*t.features:][:t.features])
		}
		for _, b := range []kernels.Buffer{x, codes, decoded} {
			device.Release(b)
		}
	}
	return device.Upload(z.Rows, z.Width, left), device.Upload(z.Rows, t.features, sum)
}

// subtract moves the part of x that lies along its prediction d into the predicted codes.
func (t *temporal) subtract(x, d, sum, p []float32) {
	var product, square float64
	for i := range x {
		product += float64(d[i]) * float64(x[i])
		square += float64(d[i]) * float64(d[i])
	}
	length := math.Sqrt(square) + 1e-6
	scale := float32(product / (length * length))
	for i := range x {
		x[i] -= scale * d[i]
	}
	for i := range sum {
		sum[i] += scale * p[i]
	}
}

// attend predicts the codes of each row from those of the rows before it.
func (t *temporal) attend(device kernels.Device, layer temporalLayer, x kernels.Buffer) kernels.Buffer {
	codes := t.products(device, x)
	context := device.Upload(x.Rows, t.features, make([]float32, x.Rows*t.features))
	if x.Rows > 1 {
		device.Copy(device.View(context, 1, x.Rows-1, 0, t.features), device.View(codes, 0, x.Rows-1, 0, t.features))
	}
	project := func(p projection, input kernels.Buffer) kernels.Buffer {
		result := device.NewBuffer(x.Rows, p.w.Out)
		device.Linear(result, input, p.w, p.bias, false)
		return result
	}
	key, query, value := project(layer.key, context), project(layer.query, codes), project(layer.value, context)
	joined := device.NewBuffer(x.Rows, t.features)
	head := t.bottleneck / t.heads
	device.Attend(kernels.Attention{
		Q: query, K: key, V: value, Out: joined, Heads: t.heads, KVHeads: t.heads, HeadDim: head,
		ValueDim: t.features / t.heads, Scale: float32(1 / math.Sqrt(float64(head))),
	})
	predicted := project(layer.out, joined)
	device.Activate(predicted, predicted, kernels.ReLU)
	for _, b := range []kernels.Buffer{codes, context, key, query, value, joined} {
		device.Release(b)
	}
	return predicted
}

// PredictedCodes returns the codes a temporal source predicts for the rows of one captured
// prompt, a new buffer [rows, Features] for the caller to release.
func (s *Source) PredictedCodes(device kernels.Device, x kernels.Buffer) (kernels.Buffer, error) {
	if s.temporal == nil {
		return kernels.Buffer{}, errors.New("only temporal sources predict codes")
	}
	z := s.input.apply(device, x)
	rest, predicted := s.temporal.predict(device, z)
	device.Release(rest)
	if !s.input.idle() {
		device.Release(z)
	}
	return predicted, nil
}

// Similarity returns the cosine similarities [rows][rows] between the predicted codes of
// the rows of one captured prompt, less their mean over the rows.
func (s *Source) Similarity(device kernels.Device, x kernels.Buffer) ([][]float32, error) {
	predicted, err := s.PredictedCodes(device, x)
	if err != nil {
		return nil, err
	}
	defer device.Release(predicted)
	codes := make([]float32, predicted.Rows*predicted.Width)
	device.Download(codes, predicted)
	rows := centred(codes, predicted.Rows, predicted.Width)
	result := make([][]float32, len(rows))
	for i, a := range rows {
		result[i] = make([]float32, len(rows))
		for j, b := range rows {
			var dot float64
			for k := range a {
				dot += a[k] * b[k]
			}
			result[i][j] = float32(dot)
		}
	}
	return result, nil
}

// centred subtracts the mean row and scales the rows to length one.
func centred(values []float32, count, width int) [][]float64 {
	mean := make([]float64, width)
	for i, v := range values {
		mean[i%width] += float64(v) / float64(count)
	}
	rows := make([][]float64, count)
	for r := range rows {
		row := make([]float64, width)
		var square float64
		for i := range row {
			row[i] = float64(values[r*width+i]) - mean[i]
			square += row[i] * row[i]
		}
		length := max(math.Sqrt(square), 1e-12)
		for i := range row {
			row[i] /= length
		}
		rows[r] = row
	}
	return rows
}
