package engine

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"npinf/model"
)

// SourceVector gives the encoder direction of a feature, decoder norm folded in.
func (e *Engine) SourceVector(ctx context.Context, r VectorRequest) (VectorResult, error) {
	return serve(ctx, e, func(w *world) (VectorResult, error) { return w.sourceVector(ctx, r) })
}

func (w *world) sourceVector(ctx context.Context, r VectorRequest) (VectorResult, error) {
	source, err := w.acquireSource(ctx, r.Source)
	if err != nil {
		return VectorResult{}, err
	}
	defer source.release()
	index, err := featureIndex(r.Index, source.facts)
	if err != nil {
		return VectorResult{}, err
	}
	vector, err := source.source.EncoderRow(w.device, index)
	if err != nil {
		return VectorResult{}, err
	}
	if !finite(vector) {
		return VectorResult{}, errNonFinite("the encoder direction of source " + source.id)
	}
	return VectorResult{Vector: vector, Hook: source.source.HookName}, nil
}

// acquireSource is acquire for what only sources with weights can answer.
func (w *world) acquireSource(ctx context.Context, id string) (*encoding, error) {
	e, err := w.catalogue.lookup(id)
	if err != nil {
		return nil, err
	}
	if e.neuron() {
		return nil, invalid("Source %s stands for the neurons of a layer, which have no encoder or decoder: name a sparse autoencoder", id)
	}
	return w.acquire(ctx, e)
}

// featureIndex reads the index of a feature and refuses what the source does not have.
func featureIndex(text string, source facts) (int, error) {
	number, err := featureNumber(text)
	if err != nil {
		return 0, err
	}
	return source.feature(number)
}

// Neighbours ranks the features of a source by the cosine similarity of their decoder
// directions with that of a feature, or with a vector.
func (e *Engine) Neighbours(ctx context.Context, r NeighboursRequest) ([]Neighbour, error) {
	return serve(ctx, e, func(w *world) ([]Neighbour, error) { return w.neighbours(ctx, r) })
}

func (w *world) neighbours(ctx context.Context, r NeighboursRequest) ([]Neighbour, error) {
	if (r.Feature == nil) == (r.Vector == nil) {
		return nil, invalid("Invalid request data: exactly one of feature or vector must be provided")
	}
	target, err := w.acquireSource(ctx, r.Source)
	var known *Error
	if errors.As(err, &known) && errors.Is(known.Cause, errUnknownSource) {
		return nil, invalid("Invalid SAE ID or type: %s", r.Source)
	}
	if err != nil {
		return nil, err
	}
	defer target.release()
	vector, err := w.query(ctx, r, target)
	if err != nil {
		return nil, err
	}
	cosines, err := target.source.DecoderCosines(vector)
	if err != nil {
		return nil, err
	}
	return nearest(cosines, max(1, min(r.Results, maxNeighbours))), nil
}

// query is what the directions of the target are compared with. A feature is one of its own
// source, where that is served here and as wide as the target; else one of the target, as
// clients of the server npinf replaces expect.
func (w *world) query(ctx context.Context, r NeighboursRequest, target *encoding) ([]float32, error) {
	if r.Feature == nil {
		if len(r.Vector) != target.source.OutputWidth {
			return nil, invalid("Vector has length %d, but the decoder of %s has width %d", len(r.Vector), r.Source, target.source.OutputWidth)
		}
		vector := make([]float32, len(r.Vector))
		for i, v := range r.Vector {
			vector[i] = float32(v)
		}
		return vector, nil
	}
	home := target
	if r.Feature.Source != r.Source {
		other, err := w.acquireSource(ctx, r.Feature.Source)
		var known *Error
		if err != nil && !(errors.As(err, &known) && known.Code == Invalid) {
			return nil, err
		}
		if err == nil {
			defer other.release()
			if other.source.OutputWidth == target.source.OutputWidth {
				home = other
			}
		}
	}
	index, err := featureIndex(r.Feature.Index, home.facts)
	if err != nil {
		return nil, err
	}
	return home.source.DecoderRow(index)
}

// nearest gives the largest cosines, then by index. NaN comes last and counts as 0.
func nearest(cosines []float32, most int) []Neighbour {
	all := make([]Neighbour, len(cosines))
	for i, cosine := range cosines {
		all[i] = Neighbour{i, cosine}
	}
	slices.SortFunc(all, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(b.Cosine, a.Cosine), cmp.Compare(a.Index, b.Index)) // NaN is smallest
	})
	all = all[:min(most, len(all))]
	for i := range all {
		if math.IsNaN(float64(all[i].Cosine)) {
			all[i].Cosine = 0
		}
	}
	return all
}

// Similarity compares what a temporal source predicts for each token of a text.
func (e *Engine) Similarity(ctx context.Context, r SimilarityRequest) (SimilarityResult, error) {
	return serve(ctx, e, func(w *world) (SimilarityResult, error) { return w.similarity(ctx, r) })
}

func (w *world) similarity(ctx context.Context, r SimilarityRequest) (SimilarityResult, error) {
	source, err := w.acquireSource(ctx, r.Source)
	if err != nil {
		return SimilarityResult{}, err
	}
	defer source.release()
	if source.source.Architecture != "temporal" {
		return SimilarityResult{}, invalid("SAE architecture is not temporal")
	}
	prompts, err := w.prompts([]string{r.Text}, w.activationLimit(false))
	if err != nil {
		return SimilarityResult{}, err
	}
	p := prompts[0]
	if len(p.ids) == p.body() {
		return SimilarityResult{Matrix: [][]float32{}, Tokens: []string{}}, nil
	}
	matrix, err := w.similarityMatrix(ctx, source, p)
	if err != nil {
		return SimilarityResult{}, err
	}
	result := SimilarityResult{Tokens: w.tokenStrings(p.ids[p.body():])}
	for _, row := range matrix[p.body():] {
		if !finite(row) {
			return SimilarityResult{}, errNonFinite("the similarity matrix of source " + source.id)
		}
		result.Matrix = append(result.Matrix, row[p.body():])
	}
	return result, nil
}

func (w *world) similarityMatrix(ctx context.Context, source *encoding, p prompt) ([][]float32, error) {
	c, err := w.capture(ctx, []prompt{p}, func(int) []*model.Tap { return tapsAt([]model.Address{source.address}) })
	if err != nil {
		return nil, err
	}
	defer c.release()
	return source.source.Similarity(w.device, c.at(0, source.address))
}
