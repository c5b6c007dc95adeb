package engine

import (
	"context"
	"encoding/json"
	"strings"
)

// wireSteering are the fields of the steering requests, keys respelled to camelCase.
type wireSteering struct {
	Prompt                                                 json.RawMessage
	SteerMethod                                            SteerMethod
	Types                                                  []SteerType
	NormalizeSteering, SteerSpecialTokens, IsAssistantAxis bool
	StrengthMultiplier, Temperature, Seed, FreqPenalty     float64
	NCompletionTokens, NLogprobs                           int
	Features                                               []wireFeature
	Vectors                                                []wireVector
	Stream                                                 bool
}

type wireFeature struct {
	Source   string
	Index    json.Number
	Strength float64
}

type wireVector struct {
	SteeringVector []float64
	Strength       float64
	Hook           string
}

// camelKeys respells the keys of objects at any depth.
func camelKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			words := strings.Split(key, "_")
			for i := 1; i < len(words); i++ {
				if words[i] != "" {
					words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
				}
			}
			out[strings.Join(words, "")] = camelKeys(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = camelKeys(v[i])
		}
	}
	return v
}

func decodeSteering(body []byte) (wireSteering, Steering, error) {
	var r wireSteering
	var loose any
	if json.Unmarshal(body, &loose) != nil {
		return r, Steering{}, errNotForEngine
	}
	respelled, _ := json.Marshal(camelKeys(loose))
	if json.Unmarshal(respelled, &r) != nil {
		return r, Steering{}, errNotForEngine
	}
	s := Steering{Method: r.SteerMethod, Normalize: r.NormalizeSteering, Types: r.Types, Multiplier: r.StrengthMultiplier,
		Tokens: r.NCompletionTokens, Temperature: r.Temperature, Seed: r.Seed, FrequencyPenalty: r.FreqPenalty, Logprobs: r.NLogprobs}
	if r.Features != nil {
		s.Features = []SteerFeature{}
	}
	for _, f := range r.Features {
		s.Features = append(s.Features, SteerFeature{f.Source, f.Index.String(), f.Strength})
	}
	if r.Vectors != nil {
		s.Vectors = []SteerVector{}
	}
	for _, v := range r.Vectors {
		s.Vectors = append(s.Vectors, SteerVector{v.SteeringVector, v.Strength, v.Hook})
	}
	return r, s, nil
}

func wireLogprobs(into object, tokens []TokenLogprob) {
	if tokens == nil {
		return
	}
	list := []any{}
	for _, t := range tokens {
		top := []any{}
		for _, choice := range t.Top {
			top = append(top, object{"token": choice.Token, "logprob": choice.Logprob})
		}
		list = append(list, object{"token": t.Token, "logprob": t.Logprob, "topLogprobs": top})
	}
	into["logprobs"] = list
}

// askSteer answers steering cases. Sampled texts are nobody's to compare, so they are left
// out of both sides.
func askSteer(ctx context.Context, e *Engine, body []byte) (any, error) {
	r, s, err := decodeSteering(body)
	var prompt string
	if err != nil || json.Unmarshal(r.Prompt, &prompt) != nil || r.Temperature > 0 {
		return nil, errNotForEngine
	}
	frame, err := e.SteerCompletion(ctx, SteerRequest{Prompt: prompt, Steering: s}, nil)
	outputs := []any{}
	for _, o := range frame.Outputs {
		output := object{"type": o.Type, "output": o.Text}
		wireLogprobs(output, o.Logprobs)
		outputs = append(outputs, output)
	}
	return object{"outputs": outputs}, err
}

func wireMessages(messages []Message) []any {
	list := []any{}
	for _, m := range messages {
		list = append(list, object{"content": m.Content, "role": m.Role})
	}
	return list
}

func askSteerChat(ctx context.Context, e *Engine, body []byte) (any, error) {
	r, s, err := decodeSteering(body)
	var messages []Message
	if err != nil || json.Unmarshal(r.Prompt, &messages) != nil || r.Temperature > 0 {
		return nil, errNotForEngine
	}
	frame, err := e.SteerChat(ctx, SteerChatRequest{Messages: messages, Steering: s, SpecialTokens: r.SteerSpecialTokens, AssistantAxis: r.IsAssistantAxis}, nil)
	outputs := []any{}
	for _, o := range frame.Outputs {
		output := object{"type": o.Type, "chatTemplate": wireMessages(o.Messages), "raw": o.Raw}
		wireLogprobs(output, o.Logprobs)
		outputs = append(outputs, output)
	}
	answer := object{"outputs": outputs, "input": object{"chatTemplate": wireMessages(frame.Input), "raw": frame.Prompt}}
	if frame.Axis != nil {
		answer["assistantAxis"] = wireAxis(frame.Axis)
	}
	return answer, err
}

func wireAxis(results []AxisResult) []any {
	list := []any{}
	for _, r := range results {
		turns := []any{}
		for _, t := range r.Turns {
			turn := object{"pcValues": byTitle(r.Titles, t.Values), "snippet": t.Snippet}
			if t.Steered != nil {
				turn["pcValuesPostCap"] = byTitle(r.Titles, t.Steered)
			}
			turns = append(turns, turn)
		}
		list = append(list, object{"type": r.Type, "pcTitles": r.Titles, "turns": turns})
	}
	return list
}

func byTitle(titles []string, values []float32) object {
	o := object{}
	for i, title := range titles {
		o[title] = values[i]
	}
	return o
}

func askTemplate(ctx context.Context, e *Engine, body []byte) (any, error) {
	var loose map[string]any
	if json.Unmarshal(body, &loose) != nil {
		return nil, errNotForEngine
	}
	arguments := loose["chat_template_kwargs"] // its own keys keep their spelling
	if arguments == nil {
		arguments = loose["chatTemplateKwargs"]
	}
	var r struct {
		Messages            []Message
		AddGenerationPrompt *bool
	}
	respelled, _ := json.Marshal(camelKeys(loose))
	if json.Unmarshal(respelled, &r) != nil {
		return nil, errNotForEngine
	}
	q := TemplateRequest{Messages: r.Messages, Generation: r.AddGenerationPrompt == nil || *r.AddGenerationPrompt}
	if arguments != nil {
		q.Arguments, _ = json.Marshal(arguments)
	}
	rendered, err := e.ApplyChatTemplate(ctx, q)
	spans := []any{}
	for i, label := range rendered.Labels {
		spans = append(spans, object{"position": i, "tokenId": rendered.IDs[i], "tokenStr": rendered.Strings[i], "messageIndex": label.Message,
			"role": label.Role, "channel": label.Channel, "section": label.Section})
	}
	return object{"prompt": rendered.Prompt, "tokens": rendered.IDs, "spans": spans}, err
}
