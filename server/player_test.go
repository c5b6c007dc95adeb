package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"npinf/engine"
)

// player is an engine that gives the answers of a recorded case.
type player struct {
	recorded *goldenCase
	want     *goldenAnswer
}

func (p *player) Status() engine.Status {
	if p.recorded.Config == "failed" || p.recorded.Config == "notoken" {
		return engine.Status{Failed: "the model could not be loaded"}
	}
	return engine.Status{Ready: true}
}

// load decodes the expected answer, or fails as the engine would.
func (p *player) load(v any) error {
	if p.want.ErrorContains != nil {
		return p.fail(fmt.Sprint(p.want.ErrorContains))
	}
	body := p.want.Body
	if body == nil {
		body = p.want.BodyHas
	}
	if body == nil {
		return nil // any answer will do
	}
	var refused struct{ Error *string }
	if json.Unmarshal(body, &refused) == nil && refused.Error != nil {
		return p.fail(*refused.Error)
	}
	return json.Unmarshal(body, v)
}

func (p *player) fail(message string) error {
	for _, code := range []engine.Code{engine.Invalid, engine.Unavailable, engine.Internal} {
		if slices.Contains(numbersOf(p.want.Status), float64(statuses[code])) {
			return &engine.Error{Code: code, Message: message}
		}
	}
	return fmt.Errorf("no engine code has the status %v", p.want.Status)
}

func (p *player) Tokenize(_ context.Context, _ engine.TokenizeRequest) (engine.Tokenized, error) {
	var t struct {
		Tokens       []int
		TokenStrings []string
		PrependBos   bool
	}
	err := p.load(&t)
	return engine.Tokenized{IDs: t.Tokens, Strings: t.TokenStrings, PrependBOS: t.PrependBos}, err
}

func (p *player) Capabilities() (engine.Capabilities, error) {
	var b struct {
		Model, Device                                                                              string
		Max_concurrent_requests, Max_tokens, Token_limit, Lens_token_limit, Activation_token_limit int
		Capture_points, Sae_sets                                                                   []string
		Num_layers                                                                                 int
		Endpoints                                                                                  struct {
			Neurons, Dfa bool
			Jacobian     bool `json:"lens_jacobian"`
		}
	}
	err := p.load(&b)
	return engine.Capabilities{
		Model: b.Model, Device: b.Device, MaxConcurrent: b.Max_concurrent_requests, MaxTokens: b.Max_tokens, TokenLimit: b.Token_limit,
		LensTokenLimit: b.Lens_token_limit, ActivationTokenLimit: b.Activation_token_limit, CapturePoints: b.Capture_points,
		Layers: b.Num_layers, SourceSets: b.Sae_sets, Neurons: b.Endpoints.Neurons, Attribution: b.Endpoints.Dfa, Jacobian: b.Endpoints.Jacobian,
	}, err
}

// attribution are the DFA keys of an answer.
type attribution struct {
	DfaValues      []float32
	DfaMaxValue    *float32
	DfaTargetIndex *int
}

func (a attribution) engine() *engine.Attribution {
	if a.DfaMaxValue == nil {
		return nil
	}
	return &engine.Attribution{Values: a.DfaValues, Max: *a.DfaMaxValue, Target: *a.DfaTargetIndex}
}

// results decodes the rows of a batch, or the one row of a single request.
func results[T any](p *player, batch bool) ([]T, error) {
	if !batch {
		rows := make([]T, 1)
		return rows, p.load(&rows[0])
	}
	var b struct{ Results []T }
	err := p.load(&b)
	return b.Results, err
}

func (p *player) ActivationSingle(_ context.Context, r engine.SingleRequest) ([]engine.SingleResult, error) {
	type row struct {
		Activation struct {
			attribution
			Values        []float32
			MaxValue      float32
			MaxValueIndex int
		}
		Tokens          []string
		TokensIsSpecial []bool
	}
	rows, err := results[row](p, r.Batch)
	var out []engine.SingleResult
	for _, b := range rows {
		a := b.Activation
		out = append(out, engine.SingleResult{Values: a.Values, Max: a.MaxValue, MaxIndex: a.MaxValueIndex, DFA: a.engine(), Tokens: b.Tokens, Special: b.TokensIsSpecial})
	}
	return out, err
}

func (p *player) ActivationAll(_ context.Context, r engine.AllRequest) ([]engine.AllResult, error) {
	type row struct {
		Activations []struct {
			attribution
			Source              string
			Index               int
			Values              []float32
			SumValues, MaxValue float32
			MaxValueIndex       int
		}
		Tokens []string
	}
	rows, err := results[row](p, r.Batch)
	var out []engine.AllResult
	for _, b := range rows {
		one := engine.AllResult{Tokens: b.Tokens}
		for _, a := range b.Activations {
			one.Features = append(one.Features, engine.FeatureActivation{Source: a.Source, Index: a.Index, Values: a.Values,
				Sum: a.SumValues, Max: a.MaxValue, MaxIndex: a.MaxValueIndex, DFA: a.engine()})
		}
		out = append(out, one)
	}
	return out, err
}

func (p *player) ActivationTopK(_ context.Context, r engine.TopKRequest) ([]engine.TopKResult, error) {
	type row struct {
		Results []struct {
			TokenPosition int
			Token         string
			IsSpecial     bool
			TopFeatures   []struct {
				FeatureIndex    int
				ActivationValue float32
			}
		}
	}
	rows, err := results[row](p, r.Batch)
	var out []engine.TopKResult
	for _, b := range rows {
		var one engine.TopKResult
		for _, position := range b.Results {
			features := engine.TokenFeatures{Position: position.TokenPosition, Token: position.Token, Special: position.IsSpecial}
			for _, f := range position.TopFeatures {
				features.Features = append(features.Features, engine.FeatureValue{Index: f.FeatureIndex, Value: f.ActivationValue})
			}
			one.Positions = append(one.Positions, features)
		}
		out = append(out, one)
	}
	return out, err
}

func (p *player) ActivationSource(_ context.Context, _ engine.SourceRequest) ([]engine.SourceResult, error) {
	type row struct {
		Tokens         []string
		ActiveFeatures map[int][][2]float64
	}
	rows, err := results[row](p, true)
	var out []engine.SourceResult
	for _, b := range rows {
		one := engine.SourceResult{Tokens: b.Tokens}
		for index, values := range b.ActiveFeatures {
			feature := engine.ActiveFeature{Index: index}
			for _, v := range values {
				feature.Values = append(feature.Values, engine.TokenValue{Position: int(v[0]), Value: v[1]})
			}
			one.Features = append(one.Features, feature)
		}
		out = append(out, one)
	}
	return out, err
}

func (p *player) ActivationRaw(_ context.Context, _ engine.RawRequest) (engine.RawResult, error) {
	var b struct {
		Dtype, Device string
		Results       []struct {
			TokenIds     []int
			TokenStrings []string
			Activations  []struct {
				Layer        int
				TokenIndices []int
				Values       [][]float64
			}
		}
	}
	err := p.load(&b)
	out := engine.RawResult{DType: b.Dtype, Device: b.Device}
	for _, r := range b.Results {
		one := engine.RawPrompt{IDs: r.TokenIds, Strings: r.TokenStrings}
		for _, a := range r.Activations {
			one.Layers = append(one.Layers, engine.LayerRows{Layer: a.Layer, Positions: a.TokenIndices, Values: a.Values})
		}
		out.Prompts = append(out.Prompts, one)
	}
	return out, err
}

func (p *player) ActivationAttention(_ context.Context, _ engine.AttentionRequest) (engine.AttentionResult, error) {
	var b struct {
		SeqLen           int
		AttentionIndices []int
		AttentionValues  []float64
		MaxActivation    float64
		Tokens           []string
	}
	err := p.load(&b)
	return engine.AttentionResult{Length: b.SeqLen, Indices: b.AttentionIndices, Values: b.AttentionValues, Max: b.MaxActivation, Tokens: b.Tokens}, err
}

func (p *player) SourceVector(_ context.Context, _ engine.VectorRequest) (engine.VectorResult, error) {
	var b struct {
		Vector   []float32
		HookName string
	}
	err := p.load(&b)
	return engine.VectorResult{Vector: b.Vector, Hook: b.HookName}, err
}

func (p *player) Neighbours(_ context.Context, _ engine.NeighboursRequest) ([]engine.Neighbour, error) {
	var b struct {
		TopkDecoderCossimFeatures []struct {
			Feature          struct{ Index int }
			CosineSimilarity float32
		}
	}
	err := p.load(&b)
	var out []engine.Neighbour
	for _, n := range b.TopkDecoderCossimFeatures {
		out = append(out, engine.Neighbour{Index: n.Feature.Index, Cosine: n.CosineSimilarity})
	}
	return out, err
}

func (p *player) Similarity(_ context.Context, _ engine.SimilarityRequest) (engine.SimilarityResult, error) {
	var b struct {
		Matrix [][]float32 `json:"similarity_matrix"`
		Tokens []string
	}
	err := p.load(&b)
	return engine.SimilarityResult{Matrix: b.Matrix, Tokens: b.Tokens}, err
}

func (p *player) Reload(_ context.Context, _ string) error { return p.load(new(any)) }
