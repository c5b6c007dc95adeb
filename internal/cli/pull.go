package cli

import (
	"context"
	"fmt"

	"npinf/engine"
)

func runPull(ctx context.Context, w *World, args []string) error {
	f := newFlags("pull", "[MODEL] [flags]", `
Downloads a model and its configured sources into the cache, verifies every file and ends. What is in
the cache already is not fetched again, and an interrupted pull goes on where it stopped. Without
MODEL the model and sources of the environment are pulled (MODEL_ID, SAE_SETS, …).`)
	s, warnings, err := configure(w, f, args)
	if err != nil {
		return err
	}
	sourceFlags(f, s)
	f.Var(listFlag{&s.SAESets, new(bool)}, "sources", "source `SET` to pull, repeatable; the same as --sae-sets")
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usagef("pull takes one model, got %q", rest)
	}
	model := ""
	if len(rest) == 1 {
		model = rest[0]
	}
	for _, warning := range warnings {
		fmt.Fprintln(w.Stderr, "npinf:", warning)
	}
	if s.Stream {
		return usagef("pull --stream would keep nothing; leave out one of them")
	}
	st, err := openStation(w, s, model, plainLogger(w))
	if err != nil {
		return err
	}
	defer st.close()
	if st.config.Demo != nil {
		return usagef("pull needs a model: npinf pull gpt2-small (the built-in model is here already)")
	}
	e := engine.New(st.config)
	defer e.Close()
	requirements, err := e.Requirements(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.Stdout, requirements)
	if err := e.Fetch(ctx); err != nil {
		return err
	}
	fmt.Fprintln(w.Stdout, "everything is in the cache and verified:", st.hubSetup.CacheDir)
	return nil
}
