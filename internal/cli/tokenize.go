package cli

import (
	"context"
	"encoding/json"
	"fmt"

	"npinf/engine"
)

func runTokenize(ctx context.Context, w *World, args []string) error {
	f := newFlags("tokenize", `[MODEL] "text" [flags]`, `
Shows the tokens of a text with their ids, as the model gets them. Only the tokenizer is
downloaded, no weights.`)
	s, _, err := configure(w, f, args)
	if err != nil {
		return err
	}
	asJSON := f.Bool("json", false, "print JSON")
	noBOS := f.Bool("no-bos", false, "do not put the beginning-of-sequence token in front")
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	model, text, err := modelAndText("tokenize", rest)
	if err != nil {
		return err
	}
	st, err := openStation(w, s, model, plainLogger(w))
	if err != nil {
		return err
	}
	defer st.close()
	result, err := engine.New(st.config).TokenizeOnly(ctx, text, !*noBOS)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(w.Stdout).Encode(map[string]any{"tokens": result.IDs, "tokenStrings": result.Strings, "prependBos": result.PrependBOS})
	}
	for i, id := range result.IDs {
		fmt.Fprintf(w.Stdout, "%6d  %q\n", id, result.Strings[i])
	}
	return nil
}

// modelAndText splits the arguments of commands that take an optional model and a text.
func modelAndText(command string, rest []string) (model, text string, err error) {
	switch len(rest) {
	case 1:
		return "", rest[0], nil
	case 2:
		return rest[0], rest[1], nil
	case 0:
		return "", "", usagef(`%s needs a text: npinf %s "Once upon a time"`, command, command)
	}
	return "", "", usagef(`%s takes a model and one text, got %d arguments; put the text in quotes`, command, len(rest))
}
