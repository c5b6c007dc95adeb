package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"golang.org/x/term"

	"npinf/internal/settings"
	"npinf/internal/suggest"
)

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// flagSet is a flag.FlagSet whose flags may stand before, between and after the
// arguments, and whose mistakes come with a suggestion.
type flagSet struct {
	*flag.FlagSet
	usage, text string
}

func newFlags(command, arguments, text string) *flagSet {
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return &flagSet{set, strings.TrimSpace("npinf " + command + " " + arguments), text}
}

// parse reads flags and returns the arguments between them. After "--" everything is an
// argument.
func (f *flagSet) parse(w *World, args []string) ([]string, error) {
	var rest []string
	for {
		err := f.Parse(args)
		switch {
		case errors.Is(err, flag.ErrHelp):
			f.help(w.Stdout)
			return nil, errHelp
		case err != nil:
			return nil, f.mistake(err)
		}
		left := f.Args()
		if len(left) == 0 {
			return rest, nil
		}
		if consumed := len(args) - len(left); consumed > 0 && args[consumed-1] == "--" {
			return append(rest, left...), nil
		}
		rest = append(rest, left[0])
		args = left[1:]
	}
}

func (f *flagSet) mistake(err error) error {
	if name, bare := strings.CutPrefix(err.Error(), "flag needs an argument: -"); bare {
		return usagef("%s: --%s needs a value (npinf %s --help lists the flags)", f.Name(), name, f.Name())
	}
	if wrong := regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-([a-z-]+): `).FindStringSubmatch(err.Error()); wrong != nil {
		return usagef("%s: --%s: %s is not %s", f.Name(), wrong[2], wrong[1], f.wants(wrong[2]))
	}
	const unknown = "flag provided but not defined: -"
	name, ok := strings.CutPrefix(err.Error(), unknown)
	if !ok {
		return usagef("%s: %v", f.Name(), err)
	}
	var names []string
	f.VisitAll(func(g *flag.Flag) { names = append(names, "--"+g.Name) })
	return usagef("%s: unknown flag --%s%s (npinf %s --help lists them)", f.Name(), name, suggest.DidYouMean("--"+name, names), f.Name())
}

// wants says in words what a flag of a type other than text takes.
func (f *flagSet) wants(name string) string {
	getter, ok := f.Lookup(name).Value.(flag.Getter)
	if !ok {
		return "possible"
	}
	switch getter.Get().(type) {
	case int:
		return "a whole number"
	case float64:
		return "a number"
	case time.Duration:
		return "a duration such as 5s"
	}
	return "true or false"
}

func (f *flagSet) help(out io.Writer) {
	fmt.Fprintf(out, "Usage: %s\n\n%s\n", f.usage, strings.TrimSpace(f.text))
	first := true
	f.VisitAll(func(g *flag.Flag) {
		if first {
			fmt.Fprint(out, "\nFlags:\n")
			first = false
		}
		value, usage := flag.UnquoteUsage(g)
		fmt.Fprintf(out, "  %-28s %s", strings.TrimSpace("--"+g.Name+" "+value), usage)
		if g.DefValue != "" && g.DefValue != "false" && g.DefValue != "0" && g.DefValue != "[]" {
			fmt.Fprintf(out, " (default %s)", g.DefValue)
		}
		fmt.Fprintln(out)
	})
}

// listFlag collects a repeatable flag; the first use replaces what the environment gave.
type listFlag struct {
	target *settings.List
	used   *bool
}

// String shows the list.
func (l listFlag) String() string {
	if l.target == nil || len(*l.target) == 0 {
		return ""
	}
	return strings.Join(*l.target, " ")
}

// Set appends one value.
func (l listFlag) Set(value string) error {
	if !*l.used {
		*l.target, *l.used = settings.List{}, true
	}
	*l.target = append(*l.target, value)
	return nil
}

// secretFlag sets a secret without ever showing it as a default.
type secretFlag struct{ target *settings.Secret }

// String shows nothing.
func (s secretFlag) String() string { return "" }

// Set stores the secret.
func (s secretFlag) Set(value string) error { *s.target = settings.Secret(value); return nil }

// envFile finds --env-file before the flags are parsed, because its content gives their
// defaults. Without the flag, .env in the working directory is read when it exists.
func envFile(args []string) (map[string]string, error) {
	for i, arg := range args {
		name, value, joined := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if arg == "--" {
			break
		}
		if name != "env-file" || !strings.HasPrefix(arg, "-") {
			continue
		}
		if !joined {
			if i+1 == len(args) {
				return nil, usagef("--env-file needs a file")
			}
			value = args[i+1]
		}
		values, err := settings.ReadFile(value)
		if err != nil {
			return nil, usagef("%v", err)
		}
		return values, nil
	}
	if _, err := os.Stat(".env"); err != nil {
		return nil, nil
	}
	values, err := settings.ReadFile(".env")
	if err != nil {
		return nil, usagef("%v", err)
	}
	return values, nil
}

// configure loads the settings below the flags and registers the flags every command with
// a model has.
func configure(w *World, f *flagSet, args []string) (*settings.Settings, []string, error) {
	file, err := envFile(args)
	if err != nil {
		return nil, nil, err
	}
	s, warnings, err := settings.Load(w.Environment, file)
	if err != nil {
		return nil, nil, usagef("%v", err)
	}
	for name, value := range file {
		if w.environ(name) == "" {
			w.Environment = append(w.Environment, name+"="+value)
		}
	}
	f.String("env-file", "", "read settings from `FILE` (.env is read by itself)")
	f.Var(secretFlag{&s.HFToken}, "hf-token", "Hugging Face `TOKEN`; better set HF_TOKEN")
	f.BoolVar(&s.Stream, "stream", s.Stream, "keep nothing on disk: weights go straight into memory")
	f.StringVar(&s.CPU, "cpu", s.CPU, "CPU `PATH`: generic, avx2 or avx512 (default: the best this machine has)")
	f.BoolVar(&s.FastBF16, "fast-bf16", s.FastBF16, "multiply bfloat16 weights of the model with inputs rounded to bfloat16: faster, less exact")
	f.IntVar(&s.Threads, "threads", s.Threads, "worker `THREADS` (default: all processors)")
	return &s, warnings, nil
}

// sourceFlags registers the flags that choose models and sources.
func sourceFlags(f *flagSet, s *settings.Settings) {
	f.Var(listFlag{&s.SAESets, new(bool)}, "sae-sets", "source `SET` to serve, repeatable (npinf list MODEL shows them)")
	f.Var(listFlag{&s.IncludeSAE, new(bool)}, "include-sae", "serve only sources matching this `PATTERN`, repeatable")
	f.Var(listFlag{&s.ExcludeSAE, new(bool)}, "exclude-sae", "leave out sources matching this `PATTERN`, repeatable")
	f.Var(textsFlag{&s.SAEFolders}, "sae", "serve the sources of this `PLACE` under their own ids: a folder, or hf:owner/repo[/path][@revision]; repeatable")
	f.BoolFunc("no-saes", "serve no sources", func(string) error { s.SAESets = settings.List{}; return nil })
	f.StringVar(&s.ModelDType, "model-dtype", s.ModelDType, "storage `TYPE` of the weights: auto, float32, bfloat16, float16")
	f.StringVar(&s.Weights, "weights", s.Weights, "`KIND` of weights: stored, or int8 (rounded to a byte each: less memory, less exact)")
	f.StringVar(&s.SAEDType, "sae-dtype", s.SAEDType, "storage `TYPE` of the sources: float32, bfloat16, float16")
	f.StringVar(&s.OverrideModelID, "override-model-id", s.OverrideModelID, "take the weights from this `MODEL`, the sources from the other")
	f.StringVar(&s.CustomHFModelID, "custom-hf-model-id", s.CustomHFModelID, "Hugging Face `MODEL` to use instead of MODEL")
	f.BoolVar(&s.AnySource, "any-source", s.AnySource, "let requests load released sources that are not configured")
}

// textsFlag collects a repeatable flag that no variable of the environment stands for.
type textsFlag struct{ target *[]string }

// String shows the texts.
func (f textsFlag) String() string {
	if f.target == nil {
		return ""
	}
	return strings.Join(*f.target, " ")
}

// Set appends one text.
func (f textsFlag) Set(value string) error { *f.target = append(*f.target, value); return nil }
