package engine

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"npinf/hub"
	"npinf/internal/golden"
	"npinf/kernels"
	"npinf/sae"
)

// openWorld loads an engine with the settings of a recorded configuration.
func openWorld(t *testing.T, environment map[string]*string) *Engine {
	get := func(name string) string {
		if value := environment[name]; value != nil {
			return *value
		}
		return ""
	}
	list := func(name string) []string {
		values := []string{}
		if text := get(name); text != "" {
			if err := json.Unmarshal([]byte(text), &values); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		return values
	}
	number := func(name string) int {
		value, _ := strconv.Atoi(get(name))
		return value
	}
	registry, err := sae.OpenRegistry()
	if err != nil {
		t.Fatal(err)
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{Path: os.Getenv("NPINF_CPU")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	var jacobian *JacobianConfig
	if get("JLENS_SKIP") == "false" {
		jacobian = &JacobianConfig{}
	}
	e := New(Config{
		Jacobian: jacobian,
		ModelID:  get("MODEL_ID"), OverrideModelID: get("OVERRIDE_MODEL_ID"),
		SourceSets: list("SAE_SETS"), Include: list("INCLUDE_SAE"), Exclude: list("EXCLUDE_SAE"),
		MaxLoadedSAEs: number("MAX_LOADED_SAES"), ModelDType: get("MODEL_DTYPE"), SAEDType: get("SAE_DTYPE"),
		TokenLimit: number("TOKEN_LIMIT"), LensTokenLimit: number("LENS_TOKEN_LIMIT"), MaxTokens: number("MAX_TOKENS"),
		PersonaDir: get("PERSONA_DIR"),
		Device:     device, Hub: &tree{t: t, root: golden.Dir(t, "hub")}, Registry: registry,
	})
	if err := e.Load(t.Context()); err != nil {
		t.Fatalf("load: %v", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// tree opens the repositories of the recorded hub: each is laid out in a temporary folder
// with packed files unpacked and links followed.
type tree struct {
	t    *testing.T
	root string
	mu   sync.Mutex
}

func (h *tree) Open(_ context.Context, name, _ string) (hub.Snapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	from := filepath.Join(h.root, filepath.FromSlash(name))
	if _, err := os.Stat(from); err != nil {
		return nil, &hub.Error{Kind: hub.NotFound, Repo: name}
	}
	to := h.t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		relative, _ := filepath.Rel(from, path)
		return h.place(path, filepath.Join(to, relative))
	})
	if err != nil {
		return nil, err
	}
	var links map[string]string
	golden.ReadJSON(h.t, filepath.Join(h.root, "LINKS.json"), &links)
	for file, target := range links {
		if relative, ok := strings.CutPrefix(file, name+"/"); ok {
			// The targets lie beside the golden folder, with the other shared data.
			if err := h.place(filepath.Join(h.root, "..", "..", filepath.FromSlash(target)), filepath.Join(to, relative)); err != nil {
				return nil, err
			}
		}
	}
	return hub.OpenFolder(to)
}

// place puts one file of the tree where a repository would have it.
func (h *tree) place(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	plain, packed := strings.CutSuffix(from, ".zst")
	if packed && !strings.HasSuffix(plain, ".zst") {
		to = strings.TrimSuffix(to, ".zst")
		return os.WriteFile(to, golden.ReadFile(h.t, from), 0o644)
	}
	return os.Symlink(from, to)
}
