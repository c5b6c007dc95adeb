package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"npinf/demo"
	"npinf/engine"
	"npinf/internal/settings"
)

func runFeatures(ctx context.Context, w *World, args []string) error {
	f := newFlags("features", `[MODEL] "text" [flags]`, `
Shows which features of a source fire on every token of a text, strongest first. Without MODEL the
built-in model is used. On a terminal the colour of a token tells how strongly its first feature
fires; piped output is plain.`)
	s, warnings, err := configure(w, f, args)
	if err != nil {
		return err
	}
	sourceFlags(f, s)
	var sources []string
	f.Var(textsFlag{&sources}, "source", "`SOURCE` to show, such as 6-res-jb, repeatable (default: two thirds into the first set)")
	top := f.Int("top", 5, "`FEATURES` shown per token")
	asJSON := f.Bool("json", false, "print JSON")
	colour := f.String("color", "auto", "`WHEN` to use colours: auto, always or never")
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	model, text, err := modelAndText("features", rest)
	if err != nil {
		return err
	}
	if *top < 1 {
		return usagef("--top: %d is out of range; show at least one feature", *top)
	}
	if whens := []string{"auto", "always", "never"}; !slices.Contains(whens, *colour) {
		return usagef("--color: %q is not one of %s", *colour, strings.Join(whens, ", "))
	}
	for _, warning := range warnings {
		fmt.Fprintln(w.Stderr, "npinf:", warning)
	}
	found, isDemo, err := featuresOf(ctx, w, s, model, text, sources, *top)
	if err != nil {
		return err
	}
	if *asJSON {
		return printFeaturesJSON(w.Stdout, found)
	}
	paint := *colour == "always" || *colour == "auto" && terminal(w.Stdout) && w.environ("NO_COLOR") == ""
	return printFeatures(w.Stdout, found, paint, labelsOf(isDemo))
}

func featuresOf(ctx context.Context, w *World, s *settings.Settings, model, text string, sources []string, top int) (found []engine.SourceTokens, isDemo bool, err error) {
	st, err := openStation(w, s, model, plainLogger(w))
	if err != nil {
		return nil, false, err
	}
	defer st.close()
	e := engine.New(st.config)
	defer e.Close()
	if err := e.Load(ctx); err != nil {
		return nil, false, err
	}
	found, err = e.Features(ctx, text, sources, top)
	return found, st.config.Demo != nil, err
}

// labelsOf returns what the features of the built-in model mean; other models have no labels.
func labelsOf(isDemo bool) func(source string, feature int) string {
	if !isDemo {
		return func(string, int) string { return "" }
	}
	return demo.Label
}

func printFeaturesJSON(out io.Writer, found []engine.SourceTokens) error {
	type feature struct {
		Index int     `json:"index"`
		Value float32 `json:"value"`
	}
	type token struct {
		Position int       `json:"position"`
		Token    string    `json:"token"`
		Features []feature `json:"features"`
	}
	type source struct {
		Source string  `json:"source"`
		Tokens []token `json:"tokens"`
	}
	sources := []source{}
	for _, f := range found {
		one := source{Source: f.Source, Tokens: []token{}}
		for _, p := range f.Positions {
			t := token{p.Position, p.Token, []feature{}}
			for _, v := range p.Features {
				t.Features = append(t.Features, feature{v.Index, v.Value})
			}
			one.Tokens = append(one.Tokens, t)
		}
		sources = append(sources, one)
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(sources)
}

// printFeatures prints one line per token and feature that fires.
func printFeatures(out io.Writer, found []engine.SourceTokens, paint bool, label func(string, int) string) error {
	for i, source := range found {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintln(out, source.Source)
		strongest, width := extremes(source.Positions)
		for _, p := range source.Positions {
			printToken(out, p, width, strongest, paint, func(feature int) string { return label(source.Source, feature) })
		}
	}
	return nil
}

// extremes finds the largest activation and the widest token, for scale and columns.
func extremes(positions []engine.TokenFeatures) (strongest float32, width int) {
	for _, p := range positions {
		width = max(width, len([]rune(strconv.Quote(p.Token))))
		if len(p.Features) > 0 {
			strongest = max(strongest, p.Features[0].Value)
		}
	}
	return strongest, min(width, 24)
}

func printToken(out io.Writer, p engine.TokenFeatures, width int, strongest float32, paint bool, label func(int) string) {
	token := strconv.Quote(p.Token)
	padding := strings.Repeat(" ", max(0, width-len([]rune(token))))
	first := float32(0)
	if len(p.Features) > 0 {
		first = p.Features[0].Value
	}
	fmt.Fprintf(out, "%4d  %s%s", p.Position, shade(token, first, strongest, paint), padding)
	silent := true
	for _, v := range p.Features {
		if v.Value == 0 {
			break // sorted: only zeros follow
		}
		if !silent {
			fmt.Fprint(out, strings.Repeat(" ", 6+width))
		}
		silent = false
		fmt.Fprintf(out, "  %6d  %8.3f", v.Index, v.Value)
		if text := label(v.Index); text != "" {
			fmt.Fprintf(out, "  %s", text)
		}
		fmt.Fprintln(out)
	}
	if silent {
		fmt.Fprintln(out, "  nothing fires")
	}
}

// shade colours a token by the share its first feature has of the strongest one, from pale
// to strong orange of the 256-colour palette.
func shade(token string, value, strongest float32, paint bool) string {
	if !paint || value <= 0 || strongest <= 0 {
		return token
	}
	steps := []int{230, 229, 222, 215, 208}
	step := steps[min(int(value/strongest*float32(len(steps))), len(steps)-1)]
	return fmt.Sprintf("\x1b[30;48;5;%dm%s\x1b[0m", step, token)
}
