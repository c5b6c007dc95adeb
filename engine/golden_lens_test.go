package engine

import (
	"context"
	"encoding/json"
)

// askLens answers the lens requests that are not streamed.
func askLens(ctx context.Context, e *Engine, body []byte) (any, error) {
	r := struct {
		Model          string
		Type           []LensType
		Prompt         *string
		Chat           []Message
		TopN           json.Number
		Layers         []json.Number
		MaxSeqLen      *int
		PrependBOS     *bool
		EnableThinking bool
		Preserve       *bool `json:"preserveThinking"`
		Stream         *bool
		Temperature    json.Number
		Completion     int `json:"numCompletionTokens"`
		CachedTokenIDs []int
		InputTokenIDs  []int
		SteerTokens    []wireLensToken
		SteerLayers    []int
		SteerStrength  float64
		SteerAblate    bool
		SwapToken      *wireLensToken
		SteerGenerated bool  `json:"steerGeneratedTokens"`
		WordsOnly      *bool `json:"filterNonWordTokens"`
	}{TopN: "10", Temperature: "1"}
	var loose map[string]any
	if json.Unmarshal(body, &loose) != nil {
		return nil, errNotForEngine
	}
	keys := camelKeys(loose).(map[string]any)
	if _, both := loose["topN"]; both {
		keys["topN"] = loose["topN"] // camelCase wins over snake_case
	}
	respelled, _ := json.Marshal(keys)
	if json.Unmarshal(respelled, &r) != nil || r.Stream == nil || *r.Stream {
		return nil, errNotForEngine
	}
	top, _ := r.TopN.Int64()
	temperature, _ := r.Temperature.Float64()
	q := LensRequest{Types: r.Type, Prompt: r.Prompt, Chat: r.Chat, InputIDs: r.InputTokenIDs, CachedIDs: r.CachedTokenIDs, Top: int(top),
		PrependBOS: r.PrependBOS == nil || *r.PrependBOS, Thinking: r.EnableThinking, Preserve: r.Preserve == nil || *r.Preserve,
		WordsOnly: r.WordsOnly == nil || *r.WordsOnly, Completion: r.Completion, Temperature: temperature,
		SteerLayers: r.SteerLayers, SteerStrength: r.SteerStrength, SteerAblate: r.SteerAblate, SteerGenerated: r.SteerGenerated}
	for _, layer := range r.Layers {
		n, _ := layer.Int64()
		q.Layers = append(q.Layers, int(n))
	}
	if r.MaxSeqLen != nil {
		q.MaxLength = *r.MaxSeqLen
	}
	for _, token := range r.SteerTokens {
		q.SteerTokens = append(q.SteerTokens, LensToken{token.Token, token.Type})
	}
	if r.SwapToken != nil {
		q.SwapToken = &LensToken{r.SwapToken.Token, r.SwapToken.Type}
	}
	answer, tokens := object{}, []any{}
	err := e.Lens(ctx, q, func(f LensFrame) error {
		switch {
		case f.Meta != nil:
			answer["meta"] = lensMetaObject(r.Model, f.Meta)
		case f.Reading != nil:
			tokens = append(tokens, lensReadingObject(f.Reading))
		case f.Done != nil:
			answer["done"] = object{"kind": "done", "seq_len": f.Done.Length, "prompt_len": f.Done.PromptLength,
				"vocab_size": f.Done.Vocabulary, "completion": f.Done.Completion}
		}
		return nil
	})
	answer["tokens"] = tokens
	return answer, err
}

type wireLensToken struct {
	Token string
	Type  LensType
}

func lensMetaObject(model string, m *LensMeta) object {
	layers := object{}
	for i, kind := range m.Types {
		layers[string(kind)] = m.Layers[i]
	}
	return object{"kind": "meta", "model": model, "types": m.Types, "layers_by_type": layers, "top_n": m.Top, "prompt_len": m.PromptLength,
		"num_completion_tokens": m.Completion, "temperature": m.Temperature, "prepend_bos": m.PrependBOS, "reuse_len": m.Reused}
}

func lensReadingObject(r *LensReading) object {
	results := []any{}
	for i, layers := range r.Choices {
		texts, probabilities := [][]string{}, [][]float64{}
		for _, choices := range layers {
			text, probability := []string{}, []float64{}
			for _, c := range choices {
				text, probability = append(text, c.Text), append(probability, c.Probability)
			}
			texts, probabilities = append(texts, text), append(probabilities, probability)
		}
		results = append(results, object{"type": r.Types[i], "top_tokens": texts, "top_probs": probabilities})
	}
	return object{"kind": "token", "position": r.Position, "token": r.Text, "id": r.ID, "is_generated": r.Generated, "results": results,
		"is_char_continuation": r.Continuation, "message_index": r.Message, "role": r.Role, "channel": r.Channel, "section": r.Section}
}
