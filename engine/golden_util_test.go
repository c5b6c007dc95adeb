package engine

import (
	"context"
	"encoding/json"
)

// askVector answers sae-vector.
func askVector(ctx context.Context, e *Engine, body []byte) (any, error) {
	var r struct {
		Source string
		Index  json.Number
	}
	if json.Unmarshal(body, &r) != nil {
		return nil, errNotForEngine
	}
	a, err := e.SourceVector(ctx, VectorRequest{Source: r.Source, Index: r.Index.String()})
	return object{"vector": a.Vector, "hookName": a.Hook}, err
}

// askNeighbours answers sae-topk-by-decoder-cossim, whose answer repeats parts of the request.
func askNeighbours(ctx context.Context, e *Engine, body []byte) (any, error) {
	var r struct {
		Model, Source string
		Feature       *struct {
			Model, Source string
			Index         json.Number
		}
		Vector     []float64
		NumResults int
		Snake      *int `json:"num_results"`
	}
	if json.Unmarshal(body, &r) != nil {
		return nil, errNotForEngine
	}
	q := NeighboursRequest{Source: r.Source, Vector: r.Vector, Results: number(r.Snake, r.NumResults)}
	var echo any
	if f := r.Feature; f != nil {
		q.Feature = &FeatureID{Source: f.Source, Index: f.Index.String()}
		echo = object{"model": f.Model, "source": f.Source, "index": f.Index}
	}
	found, err := e.Neighbours(ctx, q)
	list := []any{}
	for _, n := range found {
		id := object{"model": r.Model, "source": r.Source, "index": n.Index}
		list = append(list, object{"feature": id, "cosineSimilarity": n.Cosine})
	}
	return object{"feature": echo, "topkDecoderCossimFeatures": list}, err
}

// askSimilarity answers similarity-matrix-pred.
func askSimilarity(ctx context.Context, e *Engine, body []byte) (any, error) {
	var r struct{ SourceID, Text string }
	if json.Unmarshal(body, &r) != nil {
		return nil, errNotForEngine
	}
	a, err := e.Similarity(ctx, SimilarityRequest{Source: r.SourceID, Text: r.Text})
	return object{"similarity_matrix": a.Matrix, "tokens": a.Tokens}, err
}
