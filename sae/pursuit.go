package sae

import (
	"math"

	"npinf/kernels"
)

var pursuitDefaults = map[string]any{
	"residual_threshold": 0.01, "max_iterations": nil, "stop_on_duplicate_support": true,
}

// pursuit is matching pursuit: the feature that explains most of what is left is taken out,
// again and again (sae.md §2).
type pursuit struct {
	w               *kernels.Weight // [features, d_in]
	rows            parameter       // the same on the host
	threshold       float64         // of the residual's length; at most 0 for none
	iterations      int
	stopOnDuplicate bool
}

func (b *builder) pursuitCodes(source *Source) error {
	o := &options{values: b.fields, where: "matching_pursuit source"}
	p := &pursuit{rows: b.parameters["W_dec"], threshold: o.number("residual_threshold"), iterations: b.dIn,
		stopOnDuplicate: o.boolean("stop_on_duplicate_support")}
	if o.has("max_iterations") {
		p.iterations = o.size("max_iterations")
	}
	if o.err != nil {
		return o.err
	}
	var err error
	if p.w, err = b.place(source, p.rows.flipped()); err != nil {
		return err
	}
	source.directions = p.w
	source.encoder = kernels.Encoder{Kind: kernels.EncodeIdentity, Features: b.dSAE, Width: b.dSAE}
	source.codes = p.codes
	return nil
}

// codes returns the activations of every row of z, [rows, features].
func (p *pursuit) codes(device kernels.Device, z kernels.Buffer) kernels.Buffer {
	features := p.w.Out
	residual := make([]float32, z.Rows*z.Width)
	device.Download(residual, z)
	codes := make([]float32, z.Rows*features)
	done := make([]bool, z.Rows)
	scores := device.NewBuffer(z.Rows, features)
	defer device.Release(scores)
	for range p.iterations {
		input := device.Upload(z.Rows, z.Width, residual)
		device.Linear(scores, input, p.w, kernels.Buffer{}, false)
		device.Release(input)
		running := false
		for row, best := range device.TopPerRow(scores, 1) {
			if !done[row] {
				done[row] = p.step(best[0], residual[row*z.Width:][:z.Width], codes[row*features:][:features])
				running = running || !done[row]
			}
		}
		if !running {
			break
		}
	}
	return device.Upload(z.Rows, features, codes)
}

// step takes one feature out of a row's residual and reports whether the row is done.
func (p *pursuit) step(best kernels.FeatureValue, residual, codes []float32) bool {
	value := max(best.Value, 0)
	before := codes[best.Feature] != 0
	codes[best.Feature] += value
	unchanged := before == (codes[best.Feature] != 0)
	direction := make([]float32, len(residual))
	p.rows.row(direction, best.Feature)
	var square float64
	for i := range residual {
		residual[i] -= value * direction[i]
		square += float64(residual[i]) * float64(residual[i])
	}
	return (p.stopOnDuplicate && unchanged) || (p.threshold > 0 && math.Sqrt(square) < p.threshold)
}
