package engine

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"npinf/hub"
	"npinf/sae"
)

// modelAndSources is a hub with a model beside the sources of one repository.
type modelAndSources struct {
	model   hub.Snapshot
	sources oneRepo
}

func (m modelAndSources) Open(ctx context.Context, name, revision string) (hub.Snapshot, error) {
	if name == m.sources.repo {
		return m.sources.Open(ctx, name, revision)
	}
	return m.model, nil
}

// TestAnySource asks for a released source that is not configured: refused with the flag that
// would allow it, and with the flag loaded from where the registry says.
func TestAnySource(t *testing.T) {
	const repo, id = "jbloom/GPT2-Small-SAEs-Reformatted", "1-res-jb"
	registry, err := sae.OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	row, err := registry.Lookup("openai-community/gpt2", id)
	if err != nil || row.Repo != repo {
		t.Fatalf("%+v, %v", row, err)
	}
	folder := t.TempDir()
	writeTinySource(t, filepath.Join(folder, filepath.FromSlash(row.Path)))
	for _, any := range []bool{false, true} {
		config, _ := tinyConfig(t)
		config.ModelID, config.Registry, config.SourceSets, config.AnySource = "openai-community/gpt2", registry, []string{}, any
		config.Hub = modelAndSources{config.Demo, oneRepo{folder, repo, ""}}
		e := loadTiny(t, config)
		results, err := e.ActivationTopK(t.Context(), TopKRequest{Prompts: []string{"abc"}, Source: id, K: 2})
		switch {
		case any && (err != nil || len(results) != 1):
			t.Errorf("with the flag: %v, %v", results, err)
		case !any && (err == nil || codeOf(t, err) != Invalid || !strings.Contains(err.Error(), "--any-source")):
			t.Errorf("without the flag: %v", err)
		}
	}
}

// TestPreload loads sources in the background, no more than may stay.
func TestPreload(t *testing.T) {
	for most, want := range map[int]int64{2: 2, 100: 4} {
		config, _ := tinyConfig(t)
		config.Preload, config.MaxLoadedSAEs = true, most
		e := loadTiny(t, config)
		resident := func() int64 { return e.world.Load().sources.statistics().ResidentCount }
		for begun := time.Now(); resident() < want && time.Since(begun) < 10*time.Second; time.Sleep(time.Millisecond) {
		}
		e.world.Load().background.Wait()
		if got := resident(); got != want {
			t.Errorf("room for %d: %d of 4 sources are resident", most, got)
		}
		if _, err := e.ActivationSingle(t.Context(), SingleRequest{Prompts: []string{"abc"}, Source: pointer("0-res"), Index: pointer("2")}); err != nil {
			t.Error(err)
		}
		if s := e.world.Load().sources.statistics(); s.Misses != want || s.Hits != 1 {
			t.Errorf("room for %d: a request for the first source had to load: %+v", most, s)
		}
	}
}
