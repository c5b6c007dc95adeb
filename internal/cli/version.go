package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is set at build time with -ldflags "-X npinf/internal/cli.Version=…". Builds
// without it tell the commit they were made from when Go knows it.
var Version = ""

// version returns the version of the running program.
func version() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "development-" + s.Value[:12]
		}
	}
	return "development"
}

func runVersion(_ context.Context, w *World, args []string) error {
	f := newFlags("version", "", "Prints the version, the Go release it was built with and the platform.")
	if rest, err := f.parse(w, args); err != nil {
		return err
	} else if len(rest) > 0 {
		return usagef("version takes no arguments, got %q", rest)
	}
	fmt.Fprintf(w.Stdout, "npinf %s (%s %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
