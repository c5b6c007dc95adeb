package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"npinf/kernels"
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
		Condition: func(name string) (bool, error) {
			if name == "fast-bf16" {
				return kernels.HasFastBF16(), nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Setup: func(e *testscript.Env) error {
			// No script may reach a network or see the caches of the machine it runs on.
			e.Setenv("HF_HOME", e.WorkDir+"/hf")
			e.Setenv("HF_HUB_OFFLINE", "1")
			e.Setenv("LONG", strings.Repeat("word ", 300))
			return nil
		},
	})
}
