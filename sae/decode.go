package sae

import (
	"errors"
	"fmt"
	"math"

	"npinf/kernels"
)

// decoder is the decoding half of a source. It stays in host memory, usually in the mapped
// file: only steering, similarity and reconstruction read it, a few rows at a time.
type decoder struct {
	rows     parameter // W_dec [Features, OutputWidth]
	norms    []float32 // floored norms of the rows divided by factor, folded away; nil when they are not
	bias     []float32 // b_dec; nil when none is added
	skip     *parameter
	factor   float32 // of expected_average_only_in, which divides the output
	restore  string  // normalisation to undo
	restored float32 // factor of constant_scalar_rescale
}

func (b *builder) decode() decoder {
	d := decoder{rows: b.parameters["W_dec"], factor: b.factor, restored: 1}
	if b.architecture != "temporal" && b.architecture != "matching_pursuit" {
		_, squares := d.rows.rowStatistics(nil)
		d.norms = make([]float32, len(squares))
		for i, square := range squares {
			d.norms[i] = max(float32(math.Sqrt(square))/b.factor, smallestNorm) // NaN stays NaN
		}
	}
	tied, _ := b.fields["tied_weights"].(bool)
	if b.subtract || (b.architecture != "matching_pursuit" && !tied) {
		d.bias = b.parameters["b_dec"].floats()
	}
	if skip, found := b.parameters["W_skip"]; found {
		d.skip = &skip
	}
	if !b.design.transcoder {
		d.restore = b.normalize
	}
	if b.normalize == normalizeScalar {
		d.restored = b.scalarFactor()
	}
	return d
}

func (d *decoder) bytes() int64 { return int64(len(d.rows.Data)) + 4*int64(len(d.norms)) }

// divisor is what the trained row of a feature is divided by.
func (d *decoder) divisor(feature int) float32 {
	if d.norms == nil {
		return d.factor
	}
	return d.factor * d.norms[feature]
}

// row reads the folded decoder row of a feature.
func (d *decoder) row(dst []float32, feature int) {
	d.rows.row(dst, feature)
	divisor := d.divisor(feature)
	for i := range dst {
		dst[i] /= divisor
	}
}

func (s *Source) checkFeature(feature int) error {
	if feature < 0 || feature >= s.Features {
		return fmt.Errorf("feature %d is out of range: the source has %d features", feature, s.Features)
	}
	return nil
}

func (s *Source) decoderRow(feature int) ([]float32, error) {
	if err := s.checkFeature(feature); err != nil {
		return nil, err
	}
	if s.decoder.rows.Data == nil {
		return nil, errors.New("neurons have no decoder direction; use a sparse autoencoder's feature")
	}
	row := make([]float32, s.OutputWidth)
	s.decoder.row(row, feature)
	return row, nil
}

// DecoderCosines returns the cosine similarity of every decoder row with a vector of
// OutputWidth elements, NaN where a row or the vector is not finite. Rows and vectors of
// length zero give 0.
func (s *Source) DecoderCosines(vector []float32) ([]float32, error) {
	if s.decoder.rows.Data == nil {
		return nil, errors.New("neurons have no decoder directions; use a sparse autoencoder")
	}
	if len(vector) != s.OutputWidth {
		return nil, fmt.Errorf("the vector has %d elements, the source's decoder rows have %d", len(vector), s.OutputWidth)
	}
	var length float64
	for _, v := range vector {
		length += float64(v) * float64(v)
	}
	dots, squares := s.decoder.rows.rowStatistics(vector)
	cosines := make([]float32, len(dots))
	for i, dot := range dots {
		divisor := float64(s.decoder.divisor(i))
		cosine := dot / divisor / max(math.Sqrt(squares[i]*length)/divisor, 1e-8)
		if math.IsInf(cosine, 0) {
			cosine = math.NaN()
		}
		cosines[i] = float32(cosine)
	}
	return cosines, nil
}

// Decode reconstructs a row from its activations. x is the row as it was captured, which
// the normalisations that depend on it need; it may be nil for the others.
func (s *Source) Decode(activations []kernels.FeatureValue, x []float32) ([]float32, error) {
	sum := make([]float64, s.OutputWidth)
	row := make([]float32, s.OutputWidth)
	for _, a := range activations {
		if err := s.checkFeature(a.Feature); err != nil {
			return nil, err
		}
		s.decoder.row(row, a.Feature)
		for i, v := range row {
			sum[i] += float64(a.Value) * float64(v)
		}
	}
	for i := range s.decoder.bias {
		sum[i] += float64(s.decoder.bias[i]) / float64(s.decoder.factor)
	}
	s.decoder.denormalize(sum, x)
	result := make([]float32, len(sum))
	for i, v := range sum {
		result[i] = float32(v)
	}
	return result, nil
}

// denormalize undoes on a reconstruction y what the input rule did to x (sae.md §3).
func (d *decoder) denormalize(y []float64, x []float32) {
	switch d.restore {
	case normalizeScalar:
		for i := range y {
			y[i] /= float64(d.restored)
		}
	case normalizeLength:
		var square float64
		for _, v := range x {
			square += float64(v) * float64(v)
		}
		factor := math.Sqrt(float64(len(x))) / math.Sqrt(square)
		for i := range y {
			y[i] /= factor
		}
	case normalizeLayer:
		mean, deviation := sampleMoments(x)
		for i := range y {
			y[i] = y[i]*deviation + mean
		}
	}
}

// sampleMoments returns the mean and the unbiased standard deviation.
func sampleMoments(x []float32) (mean, deviation float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		deviation += (float64(v) - mean) * (float64(v) - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(x)-1))
}

// Reconstruct is Decode and, for the transcoders that have one, the skip connection from x.
func (s *Source) Reconstruct(activations []kernels.FeatureValue, x []float32) ([]float32, error) {
	y, err := s.Decode(activations, x)
	if err != nil || s.decoder.skip == nil {
		return y, err
	}
	if len(x) != s.Width {
		return nil, fmt.Errorf("the input row has %d elements, the source reads %d", len(x), s.Width)
	}
	dots, _ := s.decoder.skip.rowStatistics(x)
	for i, dot := range dots {
		y[i] += float32(dot)
	}
	return y, nil
}

// encoderRow returns the trained column of W_enc times everything that was folded.
func (s *Source) encoderRow(device kernels.Device, feature int) ([]float32, error) {
	if err := s.checkFeature(feature); err != nil {
		return nil, err
	}
	if s.directions == nil {
		return nil, errors.New("neurons have no encoder direction; use a sparse autoencoder's feature")
	}
	buffer := device.NewBuffer(1, s.Width)
	defer device.Release(buffer)
	device.WeightRows(buffer, s.directions, []int{feature})
	row := make([]float32, s.Width)
	device.Download(row, buffer)
	scale := s.decoder.divisor(feature)
	for i := range row {
		row[i] *= scale
	}
	return row, nil
}
