package server

import (
	"context"
	"encoding/json"
	"strings"

	"npinf/engine"
)

func (f *fake) Health() engine.Health { return engine.Health{Ready: true, Model: "m"} }

// SteerCompletion gives one frame per word of the prompt, then fails where told to.
func (f *fake) SteerCompletion(ctx context.Context, r engine.SteerRequest, emit func(engine.SteerFrame) error) (engine.SteerFrame, error) {
	frame := engine.SteerFrame{Outputs: []engine.SteerOutput{{Type: engine.Steered}}}
	for _, word := range strings.Fields(r.Prompt) {
		frame.Outputs[0].Text += word
		if emit != nil {
			if err := emit(frame); err != nil {
				return frame, err
			}
		}
	}
	return frame, f.start(ctx)
}

func (p *player) Health() engine.Health { return engine.Health{} }

// recordedSteer is an answer of the steering routes.
type recordedSteer struct {
	Outputs []struct {
		Type         engine.SteerType
		Output, Raw  string
		ChatTemplate []engine.Message
		Logprobs     []struct {
			Token       string
			Logprob     float32
			TopLogprobs []engine.TokenChoice
		}
	}
	Input struct {
		Raw          string
		ChatTemplate []engine.Message
	}
	AssistantAxis []recordedAxis
}

type recordedAxis struct {
	Type     engine.SteerType
	PCTitles []string
	Turns    []struct {
		PCValues, PCValuesPostCap map[string]float32
		Snippet                   string
	}
}

// frames decodes the states of a recorded answer, of which there is one where nothing was
// streamed.
func (p *player) frames() ([]recordedSteer, error) {
	if p.want.Text == nil {
		var one recordedSteer
		err := p.load(&one)
		return []recordedSteer{one}, err
	}
	var frames []recordedSteer
	for event := range strings.SplitSeq(strings.TrimSuffix(*p.want.Text, "\n\n"), "\n\n") {
		var frame recordedSteer
		if err := json.Unmarshal([]byte(strings.TrimPrefix(event, "data: ")), &frame); err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// playFrames emits all frames and returns the last.
func playFrames[F any](frames []recordedSteer, decode func(recordedSteer) F, emit func(F) error) (last F, err error) {
	for _, frame := range frames {
		last = decode(frame)
		if emit != nil {
			if err := emit(last); err != nil {
				return last, err
			}
		}
	}
	return last, nil
}

func (p *player) SteerCompletion(_ context.Context, _ engine.SteerRequest, emit func(engine.SteerFrame) error) (engine.SteerFrame, error) {
	frames, err := p.frames()
	if err != nil {
		return engine.SteerFrame{}, err
	}
	return playFrames(frames, func(recorded recordedSteer) engine.SteerFrame {
		var f engine.SteerFrame
		for _, o := range recorded.Outputs {
			out := engine.SteerOutput{Type: o.Type, Text: o.Output}
			for _, l := range o.Logprobs {
				out.Logprobs = append(out.Logprobs, engine.TokenLogprob{Token: l.Token, Logprob: l.Logprob, Top: l.TopLogprobs})
			}
			f.Outputs = append(f.Outputs, out)
		}
		return f
	}, emit)
}

func (f *fake) SteerChat(ctx context.Context, r engine.SteerChatRequest, emit func(engine.ChatFrame) error) (engine.ChatFrame, error) {
	frame := engine.ChatFrame{Input: r.Messages, Prompt: "p", Outputs: []engine.ChatOutput{{Type: engine.Steered, Messages: r.Messages, Raw: "p"}}}
	if r.Logprobs > 0 {
		frame.Outputs[0].Logprobs = []engine.TokenLogprob{{Token: "a", Logprob: -1, Top: []engine.TokenChoice{{Token: "b", Logprob: -2}}}}
	}
	if r.AssistantAxis {
		turn := engine.AxisTurn{Values: []float32{1}, Steered: []float32{2}, Snippet: "s"}
		frame.Axis = []engine.AxisResult{{Type: engine.Steered, Titles: []string{"someTitle"}, Turns: []engine.AxisTurn{turn}}}
	}
	if emit != nil {
		if err := emit(frame); err != nil {
			return frame, err
		}
	}
	return frame, f.start(ctx)
}

func (f *fake) ApplyChatTemplate(ctx context.Context, r engine.TemplateRequest) (engine.Rendered, error) {
	role := "user"
	return engine.Rendered{Prompt: "p", IDs: []int{7}, Strings: []string{"p"}, Labels: []engine.Label{{Role: &role, Section: "header"}}}, f.start(ctx)
}

func (p *player) ApplyChatTemplate(_ context.Context, _ engine.TemplateRequest) (engine.Rendered, error) {
	var recorded struct {
		Prompt string
		Tokens []int
		Spans  []struct {
			TokenStr      string
			MessageIndex  *int
			Role, Channel *string
			Section       engine.Section
		}
	}
	err := p.load(&recorded)
	r := engine.Rendered{Prompt: recorded.Prompt, IDs: recorded.Tokens}
	for _, span := range recorded.Spans {
		r.Strings = append(r.Strings, span.TokenStr)
		r.Labels = append(r.Labels, engine.Label{Message: span.MessageIndex, Role: span.Role, Channel: span.Channel, Section: span.Section})
	}
	return r, err
}

func (p *player) SteerChat(_ context.Context, _ engine.SteerChatRequest, emit func(engine.ChatFrame) error) (engine.ChatFrame, error) {
	frames, err := p.frames()
	if err != nil {
		return engine.ChatFrame{}, err
	}
	return playFrames(frames, func(recorded recordedSteer) engine.ChatFrame {
		f := engine.ChatFrame{Input: recorded.Input.ChatTemplate, Prompt: recorded.Input.Raw}
		for _, o := range recorded.Outputs {
			f.Outputs = append(f.Outputs, engine.ChatOutput{Type: o.Type, Messages: o.ChatTemplate, Raw: o.Raw})
		}
		for _, a := range recorded.AssistantAxis {
			axis := engine.AxisResult{Type: a.Type, Titles: a.PCTitles}
			for _, t := range a.Turns {
				turn := engine.AxisTurn{Snippet: t.Snippet}
				for _, title := range a.PCTitles {
					turn.Values = append(turn.Values, t.PCValues[title])
					if t.PCValuesPostCap != nil {
						turn.Steered = append(turn.Steered, t.PCValuesPostCap[title])
					}
				}
				axis.Turns = append(axis.Turns, turn)
			}
			f.Axis = append(f.Axis, axis)
		}
		return f
	}, emit)
}
