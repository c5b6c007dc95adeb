package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"npinf/demo"
	"npinf/internal/suggest"
)

// plainLogger shows warnings as lines for a person, for commands that answer in the terminal
// and would otherwise wait in silence.
func plainLogger(w *World) *slog.Logger { return slog.New(&plainHandler{out: w.Stderr}) }

// plainHandler writes "npinf: message (name: value, …)". Its loggers have no groups.
type plainHandler struct {
	mu  sync.Mutex
	out io.Writer
}

// Enabled lets warnings and errors through.
func (h *plainHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle writes one line.
func (h *plainHandler) Handle(_ context.Context, r slog.Record) error {
	var facts []string
	r.Attrs(func(a slog.Attr) bool {
		facts = append(facts, fmt.Sprintf("%s: %v", a.Key, a.Value))
		return true
	})
	line := r.Message
	if len(facts) > 0 {
		line += " (" + strings.Join(facts, ", ") + ")"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := fmt.Fprintln(h.out, "npinf:", line)
	return err
}

// WithAttrs drops what would repeat on every line.
func (h *plainHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup keeps names short.
func (h *plainHandler) WithGroup(string) slog.Handler { return h }

// warnOfSets says which configured source sets do not exist, and when patterns leave nothing
// of one that does: such a server would answer, but not with what its operator meant.
func (st *station) warnOfSets() {
	known, kept, model := st.setNames()
	for _, name := range st.settings.Sets() {
		switch {
		case !slices.Contains(known, name):
			st.logger.Warn(fmt.Sprintf("SAE_SETS: %s has no source set %q, which is left out%s (npinf list %s shows the sets)",
				model, name, suggest.DidYouMean(name, known), model))
		case !slices.Contains(kept, name):
			st.logger.Warn(fmt.Sprintf("INCLUDE_SAE and EXCLUDE_SAE leave no source of the set %s", name))
		}
	}
}

// setNames lists the source sets of the configured model, and those of which the patterns
// leave a source. A bad pattern is the load's to report.
func (st *station) setNames() (known, kept []string, model string) {
	s := st.settings
	if st.config.Demo != nil {
		for _, source := range st.config.DemoSources {
			kept = append(kept, source.Row.Set)
		}
		return []string{demo.SourceSet}, kept, demo.Name
	}
	model = s.CustomHFModelID
	if model == "" {
		model = s.ModelID
	}
	for _, set := range st.setsOf(model) {
		known = append(known, set.Name)
	}
	sets, err := st.registry.Select(model, s.Sets(), s.IncludeSAE, s.ExcludeSAE)
	if err != nil {
		return known, known, model
	}
	for _, set := range sets {
		kept = append(kept, set.Name)
	}
	return known, kept, model
}
