package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
)

// wireRequest holds the fields of all request bodies these tests send, in camelCase; bodies
// in snake_case are respelled before.
type wireRequest struct {
	Prompt              string
	Prompts             []string
	Text                string
	PrependBOS          *bool `json:"prependBos"`
	Source, Index, Hook *string
	Vector              []float64
	SourceSet           string
	SelectedSources     []string
	SortByTokenIndexes  []int
	IgnoreBOS           bool `json:"ignoreBos"`
	NumResults, TopK    *int
	Layers              []digits
	HookPoint, Type     *string
	Layer, Head         digits
}

// camel are the snake_case spellings in use.
var camel = map[string]string{"source_set": "sourceSet", "selected_sources": "selectedSources", "sort_by_token_indexes": "sortByTokenIndexes",
	"ignore_bos": "ignoreBos", "num_results": "numResults", "top_k": "topK", "hook_point": "hookPoint", "prepend_bos": "prependBos"}

func decode(body []byte) (wireRequest, error) {
	var fields map[string]json.RawMessage
	var r wireRequest
	if json.Unmarshal(body, &fields) != nil {
		return r, errNotForEngine
	}
	for snake, name := range camel {
		if value, ok := fields[snake]; ok {
			if _, both := fields[name]; !both {
				fields[name] = value
			}
			delete(fields, snake)
		}
	}
	respelled, _ := json.Marshal(fields)
	if json.Unmarshal(respelled, &r) != nil {
		return r, errNotForEngine
	}
	return r, nil
}

func number(value *int, standard int) int {
	if value == nil {
		return standard
	}
	return *value
}

func text(value *string, standard string) string {
	if value == nil {
		return standard
	}
	return *value
}

// verbs are the routes whose answers the engine gives.
var verbs = map[string]verb{
	"/v1/tokenize":                       askTokenize,
	"/v1/activation/single":              askSingle(false),
	"/v1/activation/single-batch":        askSingle(true),
	"/v1/activation/all":                 askAll(false),
	"/v1/activation/all-batch":           askAll(true),
	"/v1/activation/topk-by-token":       askTopK(false),
	"/v1/activation/topk-by-token-batch": askTopK(true),
	"/v1/activation/source":              askSource,
	"/v1/activation/raw":                 askRaw,
	"/v1/activation/attention":           askAttention,

	"/v1/steer/completion":      askSteer,
	"/v1/steer/completion-chat": askSteerChat,
	"/v1/apply-chat-template":   askTemplate,

	"/v1/util/sae-vector":                 askVector,
	"/v1/util/sae-topk-by-decoder-cossim": askNeighbours,
	"/v1/util/similarity-matrix-pred":     askSimilarity,

	"/v1/lens/prompt": askLens,
}

type object = map[string]any

func askTokenize(ctx context.Context, e *Engine, body []byte) (any, error) {
	r, err := decode(body)
	if err != nil {
		return nil, err
	}
	a, err := e.Tokenize(ctx, TokenizeRequest{Text: r.Text, PrependBOS: r.PrependBOS})
	return object{"tokens": a.IDs, "tokenStrings": a.Strings, "prependBos": a.PrependBOS}, err
}

func prompts(r wireRequest, batch bool) []string {
	if batch {
		return r.Prompts
	}
	return []string{r.Prompt}
}

// unwrap gives the body of a batch answer, or of its only result.
func unwrap(results []any, batch bool, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if batch {
		return object{"results": results}, nil
	}
	return results[0], nil
}

func askSingle(batch bool) verb {
	return func(ctx context.Context, e *Engine, body []byte) (any, error) {
		r, err := decode(body)
		if err != nil {
			return nil, err
		}
		answers, err := e.ActivationSingle(ctx, SingleRequest{Prompts: prompts(r, batch), Batch: batch,
			Source: r.Source, Index: r.Index, Vector: r.Vector, Hook: r.Hook})
		results := make([]any, len(answers))
		for i, a := range answers {
			activation := object{"values": a.Values, "maxValue": a.Max, "maxValueIndex": a.MaxIndex}
			addAttribution(activation, a.DFA)
			results[i] = object{"activation": activation, "tokens": a.Tokens, "tokensIsSpecial": a.Special}
		}
		return unwrap(results, batch, err)
	}
}

func addAttribution(into object, a *Attribution) {
	into["dfaValues"], into["dfaMaxValue"], into["dfaTargetIndex"] = nil, nil, nil
	if a != nil {
		into["dfaValues"], into["dfaMaxValue"], into["dfaTargetIndex"] = a.Values, a.Max, a.Target
	}
}

func askAll(batch bool) verb {
	return func(ctx context.Context, e *Engine, body []byte) (any, error) {
		r, err := decode(body)
		if err != nil {
			return nil, err
		}
		answers, err := e.ActivationAll(ctx, AllRequest{Prompts: prompts(r, batch), Batch: batch, SourceSet: r.SourceSet,
			Sources: r.SelectedSources, SortTokens: r.SortByTokenIndexes, IgnoreBOS: r.IgnoreBOS, Results: number(r.NumResults, 25)})
		results := make([]any, len(answers))
		for i, a := range answers {
			activations := []any{}
			for _, f := range a.Features {
				one := object{"source": f.Source, "index": f.Index, "values": f.Values, "sumValues": f.Sum, "maxValue": f.Max, "maxValueIndex": f.MaxIndex}
				addAttribution(one, f.DFA)
				activations = append(activations, one)
			}
			results[i] = object{"activations": activations, "tokens": a.Tokens, "counts": nil}
		}
		return unwrap(results, batch, err)
	}
}

func askTopK(batch bool) verb {
	return func(ctx context.Context, e *Engine, body []byte) (any, error) {
		r, err := decode(body)
		if err != nil {
			return nil, err
		}
		answers, err := e.ActivationTopK(ctx, TopKRequest{Prompts: prompts(r, batch), Batch: batch,
			Source: text(r.Source, ""), K: number(r.TopK, 5), IgnoreBOS: r.IgnoreBOS})
		results := make([]any, len(answers))
		for i, a := range answers {
			rows, tokens := []any{}, []string{}
			for _, p := range a.Positions {
				features := []any{}
				for _, f := range p.Features {
					features = append(features, object{"featureIndex": f.Index, "activationValue": f.Value})
				}
				rows = append(rows, object{"tokenPosition": p.Position, "token": p.Token, "isSpecial": p.Special, "topFeatures": features})
				tokens = append(tokens, p.Token)
			}
			results[i] = object{"results": rows, "tokens": tokens}
		}
		return unwrap(results, batch, err)
	}
}

func askSource(ctx context.Context, e *Engine, body []byte) (any, error) {
	r, err := decode(body)
	if err != nil {
		return nil, err
	}
	answers, err := e.ActivationSource(ctx, SourceRequest{Prompts: r.Prompts, Source: text(r.Source, "")})
	results := make([]any, len(answers))
	for i, a := range answers {
		features := object{}
		for _, f := range a.Features {
			pairs := []any{}
			for _, v := range f.Values {
				pairs = append(pairs, []any{v.Position, v.Value})
			}
			features[fmt.Sprint(f.Index)] = pairs
		}
		results[i] = object{"tokens": a.Tokens, "activeFeatures": features}
	}
	return unwrap(results, true, err)
}

func askRaw(ctx context.Context, e *Engine, body []byte) (any, error) {
	r, err := decode(body)
	if err != nil {
		return nil, err
	}
	request := RawRequest{Prompts: r.Prompts, HookPoint: text(r.HookPoint, "residual_stream"), Type: text(r.Type, "final_output_token")}
	for _, layer := range r.Layers {
		request.Layers = append(request.Layers, string(layer))
	}
	a, err := e.ActivationRaw(ctx, request)
	results := []any{}
	for _, p := range a.Prompts {
		layers := []any{}
		for _, l := range p.Layers {
			layers = append(layers, object{"layer": l.Layer, "tokenIndices": l.Positions, "values": l.Values})
		}
		results = append(results, object{"tokenStrings": p.Strings, "tokenIds": p.IDs, "activations": layers})
	}
	return object{"hookPoint": request.HookPoint, "type": request.Type, "dtype": a.DType, "device": a.Device, "results": results}, err
}

func askAttention(ctx context.Context, e *Engine, body []byte) (any, error) {
	r, err := decode(body)
	if err != nil {
		return nil, err
	}
	a, err := e.ActivationAttention(ctx, AttentionRequest{Prompt: r.Prompt, Layer: string(r.Layer), Head: string(r.Head)})
	return object{"seqLen": a.Length, "attentionIndices": a.Indices, "attentionValues": a.Values, "maxActivation": a.Max, "tokens": a.Tokens}, err
}

// digits is an integer as it was written; other spellings are the server's to read.
type digits string

// UnmarshalJSON takes integers only.
func (d *digits) UnmarshalJSON(text []byte) error {
	if _, ok := new(big.Int).SetString(string(text), 10); !ok {
		return fmt.Errorf("%s is no integer", text)
	}
	*d = digits(text)
	return nil
}
