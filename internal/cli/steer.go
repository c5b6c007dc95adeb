package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"npinf/engine"
	"npinf/internal/settings"
	"npinf/internal/suggest"
)

// steerMethods are the names of the methods on the command line.
var steerMethods = map[string]engine.SteerMethod{
	"additive": engine.SimpleAdditive, "orthogonal": engine.OrthogonalParts, "cap": engine.ProjectionCap,
}

// steerOptions are the flags of steer.
type steerOptions struct {
	features []string
	method   string
	json     bool
	chat     bool
	steering engine.Steering
}

func runSteer(ctx context.Context, w *World, args []string) error {
	f := newFlags("steer", `[MODEL] "prompt" --feature SOURCE/INDEX:STRENGTH [flags]`, `
Continues a prompt twice at the same time: as the model would (DEFAULT), and with features of a
source pushed up or down at every token (STEERED). Without MODEL the built-in model is used.

STRENGTH times the feature's direction is added to the model's state; a negative one takes it away.
With --chat the prompt is a message to the model, which answers it.

With --method orthogonal STRENGTH replaces how much of the feature is there (0 removes it), with
--method cap it is the most that may be there.`)
	s, warnings, err := configure(w, f, args)
	if err != nil {
		return err
	}
	sourceFlags(f, s)
	o := steerFlags(f)
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	model, prompt, err := modelAndText("steer", rest)
	if err != nil {
		return err
	}
	if err := o.read(); err != nil {
		return err
	}
	for _, warning := range warnings {
		fmt.Fprintln(w.Stderr, "npinf:", warning)
	}
	return o.steer(ctx, w, s, model, prompt)
}

func steerFlags(f *flagSet) *steerOptions {
	o := &steerOptions{steering: engine.Steering{Types: []engine.SteerType{engine.Unsteered, engine.Steered}, Multiplier: 1}}
	f.Var(textsFlag{&o.features}, "feature", "`SOURCE/INDEX:STRENGTH` such as 6-res-jb/650:20, repeatable; all act, in this order")
	f.StringVar(&o.method, "method", "additive", "`METHOD` of steering: additive, orthogonal or cap")
	f.BoolVar(&o.steering.Normalize, "normalize", false, "bring directions to length 1 first")
	f.IntVar(&o.steering.Tokens, "tokens", 40, "`TOKENS` to generate at most")
	f.Float64Var(&o.steering.Temperature, "temperature", 0, "`T` of sampling; 0 takes the likeliest token")
	f.Float64Var(&o.steering.Seed, "seed", 0, "`NUMBER` that decides what is sampled")
	f.BoolVar(&o.chat, "chat", false, "send the prompt as a chat message")
	f.BoolVar(&o.json, "json", false, "print JSON at the end instead of text on the way")
	return o
}

// read checks what the flags said.
func (o *steerOptions) read() error {
	method, known := steerMethods[o.method]
	if !known {
		names := []string{"additive", "orthogonal", "cap"}
		return usagef("--method: unknown method %q%s; there are %s", o.method, suggest.DidYouMean(o.method, names), strings.Join(names, ", "))
	}
	o.steering.Method = method
	if len(o.features) == 0 {
		return usagef("steer needs a feature: --feature SOURCE/INDEX:STRENGTH (npinf features shows which fire on a text)")
	}
	for _, text := range o.features {
		feature, err := parseFeature(text)
		if err != nil {
			return err
		}
		o.steering.Features = append(o.steering.Features, feature)
	}
	if o.steering.Tokens < 1 {
		return usagef("--tokens: %d is out of range; generate at least one", o.steering.Tokens)
	}
	if !(o.steering.Temperature >= 0) {
		return usagef("--temperature: %v is out of range; 0 and more are possible", o.steering.Temperature)
	}
	return nil
}

// parseFeature reads SOURCE/INDEX:STRENGTH.
func parseFeature(text string) (engine.SteerFeature, error) {
	name, strength, found := strings.Cut(text, ":")
	slash := strings.LastIndex(name, "/")
	value, err := strconv.ParseFloat(strength, 64)
	if !found || slash < 1 || err != nil {
		return engine.SteerFeature{}, usagef("--feature: %q is not SOURCE/INDEX:STRENGTH; write it like 6-res-jb/650:20", text)
	}
	index := name[slash+1:]
	if _, err := strconv.ParseUint(index, 10, 63); err != nil {
		return engine.SteerFeature{}, usagef("--feature: %q is not the index of a feature; write it like 6-res-jb/650:20", index)
	}
	return engine.SteerFeature{Source: name[:slash], Index: index, Strength: value}, nil
}

func (o *steerOptions) steer(ctx context.Context, w *World, s *settings.Settings, model, prompt string) error {
	st, err := openStation(w, s, model, plainLogger(w))
	if err != nil {
		return err
	}
	defer st.close()
	e := engine.New(st.config)
	defer e.Close()
	if err := e.Load(ctx); err != nil {
		return err
	}
	p := &steerPrinter{out: w.Stdout, prompt: prompt}
	if o.chat {
		p.prompt = ""
	}
	show := p.show
	if o.json {
		show = func(engine.SteerFrame) error { return nil }
	}
	frame, err := o.generate(ctx, e, prompt, show)
	if err != nil {
		return err
	}
	if o.json {
		return printSteerJSON(w.Stdout, frame)
	}
	_, err = fmt.Fprintln(w.Stdout)
	return err
}

// generate continues the prompt or answers it. A chat is shown like a text: what is generated.
func (o *steerOptions) generate(ctx context.Context, e *engine.Engine, prompt string, show func(engine.SteerFrame) error) (engine.SteerFrame, error) {
	if !o.chat {
		return e.SteerCompletion(ctx, engine.SteerRequest{Prompt: prompt, Steering: o.steering}, show)
	}
	request := engine.SteerChatRequest{Messages: []engine.Message{{Role: "user", Content: prompt}}, Steering: o.steering}
	frame, err := e.SteerChat(ctx, request, func(f engine.ChatFrame) error { return show(generated(f)) })
	return generated(frame), err
}

// generated is what a chat has brought so far, without the conversation before it.
func generated(f engine.ChatFrame) engine.SteerFrame {
	frame := engine.SteerFrame{}
	for _, o := range f.Outputs {
		frame.Outputs = append(frame.Outputs, engine.SteerOutput{Type: o.Type, Text: strings.TrimPrefix(o.Raw, f.Prompt)})
	}
	return frame
}

// steerPrinter prints texts as they grow, one output after the other.
type steerPrinter struct {
	out     io.Writer
	prompt  string
	current int // output under way, 1 for the first
	printed int // bytes of its text
}

func (p *steerPrinter) show(frame engine.SteerFrame) error {
	for i, o := range frame.Outputs {
		begun := o.Text != "" || i == 0 || p.current > i
		if i+1 < p.current || !begun {
			continue
		}
		if i+1 > p.current {
			if p.current > 0 {
				fmt.Fprint(p.out, "\n\n")
			}
			fmt.Fprintf(p.out, "%s\n%s", o.Type, p.prompt)
			p.current, p.printed = i+1, 0
		}
		if _, err := io.WriteString(p.out, o.Text[p.printed:]); err != nil {
			return err
		}
		p.printed = len(o.Text)
	}
	return nil
}

func printSteerJSON(out io.Writer, frame engine.SteerFrame) error {
	type output struct {
		Type   engine.SteerType `json:"type"`
		Output string           `json:"output"`
	}
	outputs := []output{}
	for _, o := range frame.Outputs {
		outputs = append(outputs, output{o.Type, o.Text})
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(map[string]any{"outputs": outputs})
}
