package server

import (
	"context"
	"encoding/json"
	"strings"

	"npinf/engine"
)

// Lens reads the same two tokens at one position of every prompt.
func (f *fake) Lens(ctx context.Context, r engine.LensRequest, emit func(engine.LensFrame) error) error {
	if err := f.start(ctx); err != nil {
		return err
	}
	f.lens = r
	section := "content"
	here := engine.LensPosition{ID: 7, Text: "é", Span: engine.Span{Message: new(int), Section: &section}}
	choices := make([][][]engine.LensChoice, len(r.Types))
	layers := make([][]int, len(r.Types))
	for i := range r.Types {
		choices[i], layers[i] = [][]engine.LensChoice{{{Text: "a", Probability: 0.5}, {Text: "😀", Probability: 0.25}}}, []int{3}
	}
	frames := []engine.LensFrame{
		{Meta: &engine.LensMeta{Types: r.Types, Layers: layers, Top: r.Top, PromptLength: 1, Temperature: r.Temperature, PrependBOS: r.PrependBOS}},
		{Prompt: []engine.LensPosition{here}},
		{Reading: &engine.LensReading{LensPosition: here, Types: r.Types, Choices: choices}},
		{Done: &engine.LensDone{Length: 1, PromptLength: 1, Vocabulary: 9}},
	}
	for i, frame := range frames {
		if f.lensErr != nil && i == len(frames)-1 {
			return f.lensErr
		}
		if err := emit(frame); err != nil {
			return err
		}
	}
	return nil
}

// lensPiece is any line of a recorded answer.
type lensPiece struct {
	Kind, Model, Completion string
	Types                   []engine.LensType
	LayersByType            map[engine.LensType][]int `json:"layers_by_type"`
	TopN                    int                       `json:"top_n"`
	PromptLen               int                       `json:"prompt_len"`
	NumCompletionTokens     int                       `json:"num_completion_tokens"`
	Temperature             float64
	PrependBOS              bool `json:"prepend_bos"`
	ReuseLen                int  `json:"reuse_len"`
	Tokens                  []lensPiece
	Position, ID            int
	Token                   string
	IsGenerated             bool `json:"is_generated"`
	IsCharContinuation      bool `json:"is_char_continuation"`
	MessageIndex            *int `json:"message_index"`
	Role, Channel, Section  *string
	SeqLen                  int `json:"seq_len"`
	VocabSize               int `json:"vocab_size"`
	Results                 []struct {
		Type      engine.LensType
		TopTokens [][]string  `json:"top_tokens"`
		TopProbs  [][]float64 `json:"top_probs"`
	}
}

func (p lensPiece) position() engine.LensPosition {
	return engine.LensPosition{Position: p.Position, ID: p.ID, Text: p.Token, Generated: p.IsGenerated, Continuation: p.IsCharContinuation,
		Span: engine.Span{Message: p.MessageIndex, Role: p.Role, Channel: p.Channel, Section: p.Section}}
}

func (p lensPiece) frame() engine.LensFrame {
	switch p.Kind {
	case "meta":
		m := &engine.LensMeta{Types: p.Types, Top: p.TopN, PromptLength: p.PromptLen, Completion: p.NumCompletionTokens,
			Temperature: p.Temperature, PrependBOS: p.PrependBOS, Reused: p.ReuseLen}
		for _, kind := range p.Types {
			m.Layers = append(m.Layers, p.LayersByType[kind])
		}
		return engine.LensFrame{Meta: m}
	case "prompt":
		prompt := []engine.LensPosition{}
		for _, token := range p.Tokens {
			prompt = append(prompt, token.position())
		}
		return engine.LensFrame{Prompt: prompt}
	case "token":
		r := &engine.LensReading{LensPosition: p.position()}
		for _, result := range p.Results {
			var layers [][]engine.LensChoice
			for i, texts := range result.TopTokens {
				choices := []engine.LensChoice{}
				for n, text := range texts {
					choices = append(choices, engine.LensChoice{Text: text, Probability: result.TopProbs[i][n]})
				}
				layers = append(layers, choices)
			}
			r.Types, r.Choices = append(r.Types, result.Type), append(r.Choices, layers)
		}
		return engine.LensFrame{Reading: r}
	}
	return engine.LensFrame{Done: &engine.LensDone{Length: p.SeqLen, PromptLength: p.PromptLen, Vocabulary: p.VocabSize, Completion: p.Completion}}
}

// Lens plays the recorded pieces.
func (p *player) Lens(_ context.Context, _ engine.LensRequest, emit func(engine.LensFrame) error) error {
	var body struct {
		Meta, Done lensPiece
		Tokens     []lensPiece
		Error      *string
		Status     string
		Detail     *string
	}
	pieces := []lensPiece{}
	if p.want.Text != nil {
		for line := range strings.Lines(*p.want.Text) {
			var piece lensPiece
			if err := json.Unmarshal([]byte(line), &piece); err != nil {
				return err
			}
			pieces = append(pieces, piece)
		}
	} else {
		if p.want.Body != nil && json.Unmarshal(p.want.Body, &body) == nil && body.Status != "" {
			cause := &engine.LensUnavailable{Status: body.Status}
			if body.Detail != nil {
				cause.Detail = *body.Detail
			}
			return &engine.Error{Code: engine.Invalid, Message: *body.Error, Cause: cause}
		}
		if err := p.load(&body); err != nil {
			return err
		}
		pieces = append(append(append(pieces, body.Meta), body.Tokens...), body.Done)
	}
	for _, piece := range pieces {
		if err := emit(piece.frame()); err != nil {
			return err
		}
	}
	return nil
}
