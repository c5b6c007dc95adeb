package cli

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts in testdata run this very program as npinf.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"npinf": func() {
			world := &World{Environment: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
			os.Exit(Run(context.Background(), world, os.Args[1:]))
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			// No script may reach a network or see the caches of the machine it runs on.
			e.Setenv("HF_HOME", e.WorkDir+"/hf")
			e.Setenv("HF_HUB_OFFLINE", "1")
			e.Setenv("LONG", strings.Repeat("word ", 300))
			return nil
		},
	})
}
