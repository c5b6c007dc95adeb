// Package cli is npinf's command line: flags, wiring, signals and exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"npinf/internal/suggest"
)

// Exit codes of the program.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// World is what a command sees of the machine it runs on.
type World struct {
	Environment    []string
	Stdout, Stderr io.Writer
}

// command is one sub-command.
type command struct {
	name, summary string
	run           func(ctx context.Context, w *World, args []string) error
}

// commands lists every sub-command in the order help shows them.
func commands() []command {
	return []command{
		{"run", "serve a model on port 5002", runServer},
		{"features", "show the features that fire on a text", runFeatures},
		{"steer", "continue a text with features pushed up or down", runSteer},
		{"pull", "download a model and its sources and verify them", runPull},
		{"list", "show and search the models and sources that can be served", runList},
		{"tokenize", "show the tokens of a text", runTokenize},
		{"doctor", "check this machine: CPU path, memory, token, cache, hub", runDoctor},
		{"healthcheck", "exit 0 if a server answers (for containers)", runHealthcheck},
		{"version", "print the version", runVersion},
	}
}

// usageError is a mistake on the command line: exit code 2.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// errHelp says that help was asked for and has been printed.
var errHelp = errors.New("help")

// Run runs the program with its arguments (without the program's name) and returns its
// exit code: 0 done, 1 failed, 2 used wrongly.
func Run(ctx context.Context, w *World, args []string) int {
	if len(args) == 0 || args[0] == "help" && len(args) == 1 || args[0] == "-h" || args[0] == "--help" {
		printHelp(w.Stdout)
		return exitDone
	}
	if args[0] == "help" {
		args = []string{args[1], "--help"}
	}
	if args[0] == "--version" {
		args[0] = "version"
	}
	return exitCode(w, dispatch(ctx, w, args))
}

func dispatch(ctx context.Context, w *World, args []string) error {
	names := []string{"help"}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, w, args[1:])
		}
		names = append(names, c.name)
	}
	if meant, ok := elsewhere[args[0]]; ok {
		return usagef("unknown command %q; here it is called %q (npinf help lists them)", args[0], meant)
	}
	return usagef("unknown command %q%s (npinf help lists them)", args[0], suggest.DidYouMean(args[0], names))
}

// elsewhere are the names that other programs give to what npinf does.
var elsewhere = map[string]string{
	"serve": "run", "server": "run", "start": "run", "download": "pull", "models": "list", "sources": "list", "sets": "list",
	"ls": "list", "tokens": "tokenize", "activations": "features", "generate": "steer", "check": "doctor", "info": "doctor",
}

func exitCode(w *World, err error) int {
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, errHelp):
		return exitDone
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w.Stderr, "npinf: interrupted")
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintln(w.Stderr, "npinf:", err)
		return exitUsage
	default:
		fmt.Fprintln(w.Stderr, "npinf:", strings.TrimSpace(err.Error()))
		return exitFailed
	}
}

func printHelp(out io.Writer) {
	fmt.Fprint(out, `npinf shows what happens inside language models: which features fire on a text.
It serves Neuronpedia's inference API from one file, on a CPU.

Usage: npinf COMMAND [arguments] [flags]

`)
	for _, c := range commands() {
		fmt.Fprintf(out, "  %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprint(out, `
Without MODEL the small model inside the program is used: no network, no wait.
MODEL is a Neuronpedia id (gpt2-small), a Hugging Face id (openai-community/gpt2)
or a folder in Hugging Face layout.

  npinf run                                  serve the built-in model
  npinf features "Once upon a time"          features of every token
  npinf run gpt2-small --sae-sets res-jb     serve GPT-2 with its residual SAEs

npinf COMMAND --help explains one command and its flags.
`)
}

// environ looks a variable up in the world's environment.
func (w *World) environ(name string) string {
	value := ""
	for _, line := range w.Environment {
		if n, v, ok := strings.Cut(line, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// terminal reports whether out is a terminal.
func terminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isTerminal(file)
}
