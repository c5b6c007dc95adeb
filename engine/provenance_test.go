package engine

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"npinf/hub"
	"npinf/kernels"
	"npinf/sae"
)

// committed gives a snapshot the name and commit of a repository.
type committed struct {
	hub.Snapshot
	name, commit string
}

func (c committed) Name() string   { return c.name }
func (c committed) Commit() string { return c.commit }

// TestProvenance records what requests are answered with.
func TestProvenance(t *testing.T) {
	config, _ := tinyConfig(t)
	config.Demo = committed{config.Demo, "owner/model", "aa11"}
	for i, source := range config.DemoSources {
		config.DemoSources[i].Files = committed{source.Files, "/home/someone/saes/" + source.Row.Set, ""}
	}
	config.DemoSources[0].Files = committed{config.DemoSources[0].Files, "owner/saes", "bb22"}
	e := New(config)
	if _, err := e.Provenance(); codeOf(t, err) != NotReady {
		t.Errorf("before the load: %v", err)
	}
	if _, err := e.SourceOrigins(); codeOf(t, err) != NotReady {
		t.Errorf("before the load: %v", err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := e.Provenance()
	if err != nil || p.Model != (Origin{"owner/model", "aa11"}) || p.DType != "float32" || p.SourceDType != "float32" || p.Arithmetic != "float32" ||
		len(p.Files) != 1 || p.Files[0].Path != "model.safetensors" || p.Files[0].Bytes == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	origins, err := e.SourceOrigins()
	if err != nil || len(origins) != 4 || origins[0].ID != "0-res" || origins[0].Origin != (Origin{"owner/saes", "bb22"}) || origins[1].Origin != (Origin{"res", ""}) {
		t.Errorf("%+v, %v", origins, err)
	}
	for _, c := range []struct {
		ask  func(ctx context.Context) error
		want []Origin
	}{
		{func(ctx context.Context) error {
			_, err := e.Tokenize(ctx, TokenizeRequest{Text: "a"})
			return err
		}, nil},
		{func(ctx context.Context) error {
			_, err := e.ActivationAll(ctx, AllRequest{Prompts: []string{"ab"}, SourceSet: "res", Results: 3})
			return err
		}, []Origin{{"owner/saes", "bb22"}, {"res", ""}}},
		{func(ctx context.Context) error {
			_, err := e.SourceVector(ctx, VectorRequest{Source: "1-att-x", Index: "0"})
			return err
		}, []Origin{{"att-x", ""}}},
		{func(ctx context.Context) error {
			_, err := e.ActivationTopK(ctx, TopKRequest{Prompts: []string{"ab"}, Source: "1", K: 1})
			return err
		}, nil}, // neurons are the model's own
	} {
		ctx, record := Recording(t.Context())
		if _, ok := record.Model(); ok {
			t.Error("a model was recorded before it was asked")
		}
		if err := c.ask(ctx); err != nil {
			t.Fatal(err)
		}
		model, ok := record.Model()
		if got := record.Sources(); !ok || model.Model.Commit != "aa11" || !slices.Equal(got, c.want) {
			t.Errorf("model %+v, sources %v, want %v", model.Model, got, c.want)
		}
	}
}

// TestProvenanceOfTheHub waits for the first load before the commit of a repository is known.
func TestProvenanceOfTheHub(t *testing.T) {
	w := &world{repositories: map[string]hub.Snapshot{}}
	row := entry{id: "5-res-jb", row: sae.Row{Repo: "owner/saes", Path: "blocks.5"}, layer: -1}
	if got := w.sourceOrigin(row); got != (SourceOrigin{"5-res-jb", Origin{"owner/saes", ""}, "blocks.5"}) {
		t.Errorf("%+v", got)
	}
	w.repositories["owner/saes"] = committed{name: "owner/saes", commit: "cc"}
	if got := w.sourceOrigin(row); got.Commit != "cc" {
		t.Errorf("%+v", got)
	}
}

// TestFastArithmetic: answers say how they were computed, and who asks for fast products of a
// model without bfloat16 weights is told.
func TestFastArithmetic(t *testing.T) {
	if !kernels.HasFastBF16() {
		t.Skip("no fast bf16 products here")
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{FastBF16: true})
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	for dtype, want := range map[string]string{"bfloat16": "fast-bf16", "float32": "float32"} {
		var log strings.Builder
		config, _ := tinyConfig(t)
		config.Device, config.ModelDType, config.Logger = device, dtype, slog.New(slog.NewTextHandler(&log, nil))
		p, err := loadTiny(t, config).Provenance()
		if err != nil || p.Arithmetic != want {
			t.Errorf("%s: %+v, %v", dtype, p, err)
		}
		if told := strings.Contains(log.String(), "set MODEL_DTYPE=bfloat16"); told != (dtype == "float32") {
			t.Errorf("%s: the log is %s", dtype, log.String())
		}
	}
}

// TestProvenanceOfALens names the lens where one was used.
func TestProvenanceOfALens(t *testing.T) {
	e := serveTiny(t, &JacobianConfig{Source: "lenses"})
	p, err := e.Provenance()
	if err != nil || p.Lens == nil || p.Lens.Path == "" || p.Lens.Name == "" {
		t.Fatalf("%+v, %v", p.Lens, err)
	}
	for kind, want := range map[LensType][]Origin{LogitLens: nil, JacobianLens: {p.Lens.Origin}} {
		ctx, record := Recording(t.Context())
		r := logitLens("Hello")
		r.Types = []LensType{kind}
		if err := e.Lens(ctx, r, func(LensFrame) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if got := record.Sources(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}
