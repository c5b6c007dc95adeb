package engine

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"npinf/hub"
)

// Origin is a repository or folder that numbers come from.
type Origin struct {
	// Name is the repository id, the base name of a folder, or the built-in model.
	Name string
	// Commit is the commit of a repository; "" for folders and what is built in.
	Commit string
}

// WeightFile is a file with weights and the hash its repository states.
type WeightFile struct {
	Path   string
	Bytes  int64
	SHA256 string // lower-case hex; "" where none is stated
}

// Provenance says which model answers, and how it computes.
type Provenance struct {
	Model       Origin
	Files       []WeightFile
	DType       string // how weights are stored
	SourceDType string // how those of sources are stored
	Arithmetic  string // what they are multiplied in: "float32", or "fast-bf16" for those of the model
	Device      string
	CPUPath     string // the kernels that are used; "" for a device without a choice
	// Lens is the Jacobian lens, nil where none is loaded (yet).
	Lens    *SourceOrigin
	Threads int
}

// SourceOrigin says where one served source comes from.
type SourceOrigin struct {
	ID string // what requests call it, "" for a lens
	Origin
	Path string // in the repository
}

// processor is what the CPU device tells beyond its name.
type processor interface {
	Path() string
	Threads() int
	FastBF16() bool
}

// How weights and activations are multiplied.
const (
	exactArithmetic = "float32"
	fastArithmetic  = "fast-bf16" // inputs rounded to bfloat16 where the weights are, sums in float32
)

// origins fills in where the model of a world comes from.
func (e *Engine) origins(w *world, files hub.Snapshot) {
	p := Provenance{Model: originOf(files), DType: w.dtype, SourceDType: w.saeDType, Arithmetic: exactArithmetic, Device: w.device.Name()}
	if cpu, ok := w.device.(processor); ok {
		p.CPUPath, p.Threads = cpu.Path(), cpu.Threads()
		if cpu.FastBF16() && !w.info.RoundsInputs {
			remedy := "set MODEL_DTYPE=bfloat16 to store them so"
			if w.dtype == int8DType {
				remedy = "leave out NPINF_WEIGHTS=int8"
			}
			e.config.Logger.Warn("fast bf16 products have no effect: the model has no bfloat16 weights; "+remedy, "dtype", w.dtype)
		}
	}
	if w.info.RoundsInputs {
		p.Arithmetic = fastArithmetic
	}
	for _, file := range files.Files() {
		if strings.HasSuffix(file.Path, ".safetensors") {
			p.Files = append(p.Files, WeightFile{file.Path, file.Size, file.SHA256})
		}
	}
	w.provenance = p
}

// originOf names a snapshot without telling where on this machine it lies.
func originOf(files hub.Snapshot) Origin {
	name := files.Name()
	if filepath.IsAbs(name) {
		name = filepath.Base(name)
	}
	return Origin{Name: name, Commit: files.Commit()}
}

// Provenance says which model answers. It fails with NotReady before the load is done.
func (e *Engine) Provenance() (Provenance, error) {
	w := e.world.Load()
	if w == nil {
		return Provenance{}, e.errNotReady()
	}
	p := w.provenance
	if w.jacobian.now() != nil {
		p.Lens = &w.jacobian.origin
	}
	return p, nil
}

// SourceOrigins lists the configured sources by set, and those that were loaded besides. The
// commit of a repository is known once a source of it was loaded.
func (e *Engine) SourceOrigins() ([]SourceOrigin, error) {
	w := e.world.Load()
	if w == nil {
		return nil, e.errNotReady()
	}
	var list []SourceOrigin
	listed := map[string]bool{}
	for _, set := range w.catalogue.sets {
		for _, id := range idsOf(set) {
			list, listed[id] = append(list, w.sourceOrigin(w.catalogue.byID[id])), true
		}
	}
	for _, id := range w.sources.residents() {
		if !listed[id] {
			if entry, err := w.catalogue.lookup(id); err == nil {
				list = append(list, w.sourceOrigin(entry))
			}
		}
	}
	return list, nil
}

func (w *world) sourceOrigin(e entry) SourceOrigin {
	origin := SourceOrigin{ID: e.id, Path: e.row.Path}
	if e.local != nil {
		origin.Origin = originOf(e.local.Files)
		if filepath.IsAbs(origin.Path) {
			origin.Path = filepath.Base(origin.Path)
		}
		return origin
	}
	origin.Name = e.row.Repo
	w.mu.Lock()
	defer w.mu.Unlock()
	if snapshot, known := w.repositories[e.row.Repo]; known {
		origin.Commit = snapshot.Commit()
	}
	return origin
}

// Record gathers what one request was answered with.
type Record struct {
	mu      sync.Mutex
	world   *world
	sources []Origin
}

type recordKey struct{}

// Recording makes a context under which the engine notes what it answers with.
func Recording(ctx context.Context) (context.Context, *Record) {
	r := &Record{}
	return context.WithValue(ctx, recordKey{}, r), r
}

// recordOf is the record of a request, nil where nobody asked for one.
func recordOf(ctx context.Context) *Record {
	r, _ := ctx.Value(recordKey{}).(*Record)
	return r
}

func (r *Record) enter(w *world) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.world = w
}

// use notes a source; many of one repository are one origin.
func (r *Record) use(origin Origin) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.sources, origin) {
		r.sources = append(r.sources, origin)
	}
}

// Model is the model that answered; ok is false where none was asked.
func (r *Record) Model() (p Provenance, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.world == nil {
		return Provenance{}, false
	}
	return r.world.provenance, true
}

// Sources are the origins of the sources that were used, in order of their first use.
func (r *Record) Sources() []Origin {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sources)
}
