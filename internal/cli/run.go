package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"

	"npinf/engine"
	"npinf/internal/settings"
	"npinf/server"
)

const runText = `
Serves a model on port 5002 until it is interrupted. MODEL is a Neuronpedia id (gpt2-small), a
Hugging Face id (openai-community/gpt2) or a folder in Hugging Face layout; without it MODEL_ID
counts, and without that the built-in model.

HF_TOKEN, SECRET and SENTRY_DSN are read from the environment (see docs/secrets.md). A flag beats
the environment, which beats --env-file or .env, which beats the default.

When MODEL was given here and cannot be loaded, npinf ends with exit code 1. When it came from the
environment the process stays up and answers requests with the reason, as orchestrators expect.`

// runOptions are the flags of run that are no settings.
type runOptions struct{ verbose bool }

func runServer(ctx context.Context, w *World, args []string) error {
	f := newFlags("run", "[MODEL] [flags]", runText)
	s, warnings, err := configure(w, f, args)
	if err != nil {
		return err
	}
	sourceFlags(f, s)
	options := serverFlags(f, s)
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usagef("run takes one model, got %q", rest)
	}
	if s.ListModels {
		return runList(ctx, w, nil)
	}
	model := ""
	if len(rest) == 1 {
		model = rest[0]
	}
	logger, closer, err := newLogger(w, s.HomeDir, options.verbose)
	if err != nil {
		return err
	}
	defer closer.Close()
	for _, text := range warnings {
		logger.Warn(text)
	}
	st, err := openStation(w, s, model, logger)
	if err != nil {
		return err
	}
	defer st.close()
	st.config.Preload = true
	return st.serve(ctx, w, model != "", options.verbose)
}

func serverFlags(f *flagSet, s *settings.Settings) *runOptions {
	options := &runOptions{}
	f.StringVar(&s.Host, "host", s.Host, "`ADDRESS` to listen on")
	f.IntVar(&s.Port, "port", s.Port, "`PORT` to listen on; 0 takes a free one")
	f.StringVar(&s.Listen, "listen", s.Listen, "`WHEN` to open the port: early (answer while loading) or ready (once loaded)")
	f.IntVar(&s.TokenLimit, "token-limit", s.TokenLimit, "`TOKENS` a prompt may have")
	f.IntVar(&s.LensTokenLimit, "lens-token-limit", s.LensTokenLimit, "`TOKENS` a request of the lens may have")
	f.BoolFunc("no-jacobian-lens", "serve the logit lens only, without looking for a Jacobian lens", func(string) error { s.LensSkip = true; return nil })
	f.IntVar(&s.MaxLoadedSAEs, "max-loaded-saes", s.MaxLoadedSAEs, "`SOURCES` kept in memory at most")
	f.IntVar(&s.MaxConcurrent, "max-concurrent", s.MaxConcurrent, "`REQUESTS` computed at the same time (default: chosen by npinf)")
	f.StringVar(&s.ResponseCase, "case", s.ResponseCase, "`SPELLING` of the keys in answers: camel, or snake as the published client libraries read them")
	f.StringVar(&s.LoadMode, "load-mode", s.LoadMode, "how weights get into memory, `MODE` mmap or read")
	f.BoolVar(&options.verbose, "verbose", false, "log more, and where start-up time goes")
	return options
}

// serve opens the port, loads the model and answers until ctx is done.
func (st *station) serve(ctx context.Context, w *World, mustLoad, verbose bool) error {
	e := engine.New(st.config)
	defer e.Close()
	s := st.settings
	handler := server.New(e, server.Options{
		Secret:  s.Secret.Reveal(),
		Logger:  st.logger,
		Version: version(),
		Snake:   s.ResponseCase == "snake",
		Sentry:  st.sentry(e),
	})
	var listener net.Listener
	var err error
	if s.Listen == "early" {
		if listener, err = st.listen(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	loaded := make(chan error, 1)
	go func() { loaded <- st.load(ctx, w, e, verbose) }()
	if listener == nil {
		if err := <-loaded; err != nil {
			return err
		}
		if listener, err = st.listen(); err != nil {
			return err
		}
		st.banner(w.Stdout, e, listener)
	} else {
		go st.watchLoad(ctx, w, e, listener, loaded, mustLoad, cancel)
	}
	if err := handler.Run(ctx, listener); err != nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// watchLoad announces a finished load; one that failed ends the program if it must not.
func (st *station) watchLoad(ctx context.Context, w *World, e *engine.Engine, listener net.Listener, loaded <-chan error, mustLoad bool, cancel context.CancelCauseFunc) {
	err := <-loaded
	switch {
	case err == nil:
		st.banner(w.Stdout, e, listener)
	case ctx.Err() != nil:
	case mustLoad:
		cancel(err)
	default:
		st.logger.Error("the model could not be loaded; requests are answered with the reason", slog.String("reason", err.Error()))
	}
}

func (st *station) load(ctx context.Context, w *World, e *engine.Engine, verbose bool) error {
	err := e.Load(ctx)
	if verbose {
		for _, phase := range e.Phases() {
			fmt.Fprintf(w.Stderr, "  %-28s %8.1f ms\n", phase.Name, float64(phase.Took.Microseconds())/1000)
		}
	}
	return err
}

func (st *station) listen() (net.Listener, error) {
	address := net.JoinHostPort(st.settings.Host, strconv.Itoa(st.settings.Port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		remedy := "choose another address with --host"
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
			remedy = "choose another port with --port"
		}
		return nil, fmt.Errorf("cannot listen on %s: %w; %s", address, err, remedy)
	}
	return listener, nil
}

func (st *station) sentry(e *engine.Engine) server.Sentry {
	s := st.settings
	sets := "no-saes"
	if names := s.Sets(); len(names) > 0 {
		sets = strings.Join(names, ",")
	}
	return server.Sentry{
		DSN: s.SentryDSN.Reveal(), Environment: s.SentryEnvironment, Release: s.SentryRelease, TracesSampleRate: s.SentryTracesRate,
		Tags: map[string]string{"model_id": e.Status().Model, "sae_sets": sets, "model_dtype": s.ModelDType},
		StartArguments: map[string]any{
			"host": s.Host, "port": s.Port, "model_id": s.ModelID, "override_model_id": s.OverrideModelID, "custom_hf_model_id": s.CustomHFModelID,
			"sae_sets": s.Sets(), "include_sae": []string(s.IncludeSAE), "exclude_sae": []string(s.ExcludeSAE), "model_dtype": s.ModelDType,
			"weights": s.Weights, "sae_dtype": s.SAEDType, "token_limit": s.TokenLimit, "lens_token_limit": s.LensTokenLimit, "max_loaded_saes": s.MaxLoadedSAEs,
			"neuronpedia_model_id": s.NeuronpediaModelID, "jlens_skip": bool(s.LensSkip), "jlens_source": s.LensSource, "jlens_hf_repo": s.LensRepo,
			"jlens_hf_path": s.LensPath, "jlens_dataset": s.LensDataset,
		},
	}
}

// banner says what is served, where and how to ask for the first thing.
func (st *station) banner(out io.Writer, e *engine.Engine, listener net.Listener) {
	url := baseURL(listener.Addr())
	fmt.Fprintf(out, "npinf %s\n", version())
	fmt.Fprintf(out, "  model    %s\n", e.Summary())
	sets, err := e.SourceSets()
	if err == nil {
		fmt.Fprintf(out, "  sources  %s\n", describeSets(sets))
	}
	fmt.Fprintf(out, "  cpu      %s, %d threads%s\n", st.device.Path(), st.device.Threads(), map[bool]string{true: ", fast bf16 products"}[st.device.FastBF16()])
	guard := "none: everyone who can reach the port is answered (set SECRET to change that)"
	header := ""
	if st.settings.Secret != "" {
		guard, header = "callers must send it in X-SECRET-KEY", ` -H "X-SECRET-KEY: $SECRET"`
	}
	fmt.Fprintf(out, "  secret   %s\n", guard)
	fmt.Fprintf(out, "  serving  %s\n\n", url)
	fmt.Fprintf(out, "Try it:\n  curl -s %s%s -H 'Content-Type: application/json'%s -d '%s'\n", url, examplePath(sets), header, exampleBody(e, sets))
}

// baseURL shows an address nobody can call as localhost.
func baseURL(address net.Addr) string {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return "http://" + address.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func describeSets(sets []engine.SourceSet) string {
	if len(sets) == 0 {
		return "none (neurons are served)"
	}
	var parts []string
	for _, set := range sets {
		if n := len(set.Sources); n > 1 {
			first, last := ends(set.Sources)
			parts = append(parts, fmt.Sprintf("%s (%s … %s)", set.Name, first, last))
		} else if n == 1 {
			parts = append(parts, set.Sources[0])
		}
	}
	return strings.Join(parts, ", ")
}

func examplePath(sets []engine.SourceSet) string {
	if len(sets) == 0 {
		return "/v1/tokenize"
	}
	return "/v1/activation/topk-by-token"
}

func exampleBody(e *engine.Engine, sets []engine.SourceSet) string {
	model := e.Status().Model
	if len(sets) == 0 {
		return fmt.Sprintf(`{"model":%q,"text":"Once upon a time"}`, model)
	}
	sources := sets[0].Sources
	return fmt.Sprintf(`{"model":%q,"source":%q,"prompt":"Once upon a time","topK":3,"ignoreBos":true}`, model, sources[len(sources)*2/3])
}
