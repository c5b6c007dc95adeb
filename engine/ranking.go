package engine

import (
	"cmp"
	"slices"

	"npinf/kernels"
)

// candidate is a feature on its way into an answer of ActivationAll.
type candidate struct {
	FeatureActivation
	order     int // of its source in the request
	key       float32
	direction []float32 // encoder row, for attribution; nil where it does not apply
	layer     int
}

// ranking keeps the best candidates of one prompt: key descending, then in the order of the
// sources, then of the features. Merging source after source gives the same as one stable
// sort of all features.
type ranking struct {
	most       int
	candidates []*candidate
}

// merge adds the best features of the next source and returns those that got in.
func (r *ranking) merge(source string, order int, peaks []kernels.FeaturePeak) []*candidate {
	for _, p := range peaks {
		r.candidates = append(r.candidates, &candidate{
			FeatureActivation: FeatureActivation{Source: source, Index: p.Feature},
			order:             order, key: p.Key})
	}
	r.sort()
	r.candidates = r.candidates[:min(r.most, len(r.candidates))]
	var entered []*candidate
	for _, c := range r.candidates {
		if c.order == order {
			entered = append(entered, c)
		}
	}
	return entered
}

func (r *ranking) sort() {
	slices.SortFunc(r.candidates, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.key, a.key), cmp.Compare(a.order, b.order), cmp.Compare(a.Index, b.Index))
	})
}
