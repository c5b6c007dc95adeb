package engine

import (
	"cmp"
	"context"
	"slices"

	"npinf/model"
)

// A sparse pattern keeps the attentionKeys largest entries of a row that are at least
// attentionLeast, with attentionDecimals decimals.
const (
	attentionKeys     = 8
	attentionLeast    = 0.005
	attentionDecimals = 4
)

// ActivationAttention gives the attention pattern of one head, without its small entries.
func (e *Engine) ActivationAttention(ctx context.Context, r AttentionRequest) (AttentionResult, error) {
	return serve(ctx, e, func(w *world) (AttentionResult, error) { return w.attention(ctx, r) })
}

func (w *world) attention(ctx context.Context, r AttentionRequest) (AttentionResult, error) {
	var nothing AttentionResult
	layer, ok := below(r.Layer, w.info.Layers)
	if !ok {
		return nothing, invalid("Invalid layer: %s. Must be in [0, %d).", r.Layer, w.info.Layers)
	}
	head, ok := below(r.Head, w.info.Heads)
	if !ok {
		return nothing, invalid("Invalid head: %s. Must be in [0, %d).", r.Head, w.info.Heads)
	}
	if err := w.model.Check(patternAddress(layer)); err != nil {
		return nothing, invalid("%v", err)
	}
	prompts, err := w.prompts([]string{r.Prompt}, w.activationLimit(false))
	if err != nil {
		return nothing, err
	}
	if err := notEmpty(prompts); err != nil {
		return nothing, err
	}
	c, err := w.capture(ctx, prompts, func(int) []*model.Tap {
		return []*model.Tap{{Address: patternAddress(layer), Head: head}}
	})
	if err != nil {
		return nothing, err
	}
	defer c.release()
	pattern := w.download(c.at(0, patternAddress(layer)))
	if !finite(pattern) {
		return nothing, errNonFinite("the attention pattern")
	}
	result := sparsePattern(pattern, len(prompts[0].ids))
	result.Tokens = w.tokenStrings(prompts[0].ids)
	return result, nil
}

// sparsePattern picks the entries of a dense [length, length] pattern that are worth
// showing. Max is the largest entry outside the first row and column, which the first token
// soaks up. A single token has no pattern.
func sparsePattern(pattern []float32, length int) AttentionResult {
	result := AttentionResult{Length: length, Indices: []int{}, Values: []float64{}}
	if length < 2 {
		return result
	}
	largest := 0.0
	for query := range length {
		row := pattern[query*length : (query+1)*length]
		for _, key := range largestKeys(row) {
			result.Indices = append(result.Indices, query*length+key)
			result.Values = append(result.Values, round(float64(row[key]), attentionDecimals))
		}
		for key := 1; query > 0 && key < length; key++ {
			largest = max(largest, float64(row[key]))
		}
	}
	result.Max = round(largest, attentionDecimals)
	return result
}

// largestKeys are the keys of a row that are kept, ascending.
func largestKeys(row []float32) []int {
	keys := make([]int, len(row))
	for key := range keys {
		keys[key] = key
	}
	slices.SortStableFunc(keys, func(a, b int) int { return cmp.Compare(row[b], row[a]) })
	keys = slices.DeleteFunc(keys[:min(attentionKeys, len(keys))], func(key int) bool {
		return float64(row[key]) < attentionLeast
	})
	slices.Sort(keys)
	return keys
}
