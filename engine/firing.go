package engine

import (
	"cmp"
	"context"
	"slices"

	"npinf/kernels"
)

// firingDecimals is how many decimals activations of ActivationSource keep.
const firingDecimals = 3

// ActivationSource gives every feature of one source that fires, with the positions where
// it does. A BOS in front is not listed.
func (e *Engine) ActivationSource(ctx context.Context, r SourceRequest) ([]SourceResult, error) {
	return serve(ctx, e, func(w *world) ([]SourceResult, error) { return w.firing(ctx, r) })
}

func (w *world) firing(ctx context.Context, r SourceRequest) ([]SourceResult, error) {
	if err := batchSize(r.Prompts, maxBatch); err != nil {
		return nil, err
	}
	prompts, err := w.prompts(r.Prompts, w.activationLimit(len(r.Prompts) > 1))
	if err != nil {
		return nil, err
	}
	e, err := w.catalogue.lookup(r.Source)
	if err != nil {
		return nil, err
	}
	results := make([]SourceResult, len(prompts))
	err = w.encodeEach(ctx, e, prompts, func(i int, source *encoding, rows kernels.Buffer) error {
		skip := prompts[i].body()
		results[i] = SourceResult{Tokens: w.tokenStrings(prompts[i].ids), Features: []ActiveFeature{}}
		if skip == rows.Rows {
			return nil
		}
		active := w.device.EncodeActive(w.device.View(rows, skip, rows.Rows-skip, 0, rows.Width), source.source.Encoder())
		var err error
		results[i].Features, err = firingFeatures(active, skip, source.id)
		return err
	})
	return results, err
}

// firingFeatures turns the firing features of each row into the positions of each feature:
// features by first position, then index. first is the position of row 0.
func firingFeatures(rows [][]kernels.FeatureValue, first int, source string) ([]ActiveFeature, error) {
	features, at := []ActiveFeature{}, map[int]int{}
	var counts []int // of positions, so that all of them lie in one piece of memory
	total := 0
	for _, row := range rows {
		slices.SortFunc(row, func(a, b kernels.FeatureValue) int { return cmp.Compare(a.Feature, b.Feature) })
		for _, f := range row {
			if !finite([]float32{f.Value}) {
				return nil, errNonFinite("the output of source " + source)
			}
			n, known := at[f.Feature]
			if !known {
				n = len(features)
				at[f.Feature] = n
				features, counts = append(features, ActiveFeature{Index: f.Feature}), append(counts, 0)
			}
			counts[n]++
		}
		total += len(row)
	}
	values := make([]TokenValue, total)
	for n, count := range counts {
		features[n].Values, values = values[:0:count], values[count:]
	}
	for i, row := range rows {
		for _, f := range row {
			of := &features[at[f.Feature]]
			of.Values = append(of.Values, TokenValue{Position: first + i, Value: round(float64(f.Value), firingDecimals)})
		}
	}
	return features, nil
}
