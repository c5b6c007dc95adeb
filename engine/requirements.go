package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"npinf/hub"
	"npinf/model"
	"npinf/sae"
	"npinf/tokenizer"
)

// Requirements is what a load will take, known before anything large is downloaded.
type Requirements struct {
	Model  string
	Family string
	Files  []string // of the model, to be made local
	// DownloadBytes is what of them is not cached yet; WeightBytes the memory of the weights
	// as DType, which is the configured type with "auto" resolved or "int8", "" when it is unknown.
	DownloadBytes, WeightBytes int64
	DType                      string
	// HalfBytes is the memory of the weights as bfloat16, 0 when that is not less. PackedBytes
	// is the part of WeightBytes that are experts in MXFP4, of which a few are widened.
	HalfBytes, PackedBytes int64
	// Int8Bytes is the memory of the weights rounded to int8, 0 when that is not less.
	Int8Bytes int64
	// TokenBytes is the memory of the keys and values of a token, FixedBytes that of each
	// sequence besides. ThousandBytes is what a sequence of 1000 tokens takes, which is less
	// than their sum where layers keep no more than a window.
	TokenBytes, FixedBytes, ThousandBytes int64
	// Sources is how many configured sources will be resident; SourceBytes the size of their
	// files, an upper bound of their memory; SourceDownloadBytes what is not cached of them.
	Sources                          int
	SourceBytes, SourceDownloadBytes int64
	// MemoryBytes is the memory the model may take, 0 for no limit or an unknown one.
	MemoryBytes int64
}

// Requirements plans a load without doing it, sources included.
func (e *Engine) Requirements(ctx context.Context) (need Requirements, err error) {
	err = e.planned(ctx, func(w *world, files hub.Snapshot) error {
		if need, err = e.require(ctx, files); err != nil {
			return err
		}
		listed := listings{}
		return w.eachSource(ctx, e.config.MaxLoadedSAEs, func(files hub.Snapshot, paths []string) error {
			total, missing := listed.sizes(files, paths)
			need.Sources++
			need.SourceBytes += total
			need.SourceDownloadBytes += missing
			return nil
		})
	})
	return need, err
}

// planned opens the model's repository and the catalogue of sources for as long as use runs.
func (e *Engine) planned(ctx context.Context, use func(w *world, files hub.Snapshot) error) error {
	w := &world{hub: e.config.Hub, repositories: map[string]hub.Snapshot{}}
	defer w.close()
	files, err := e.open(ctx, w)
	if err != nil {
		return err
	}
	locals, err := e.localSources(ctx, w)
	if err != nil {
		return err
	}
	// The number of layers only matters for neurons, which have no files.
	if w.catalogue, err = newCatalogue(&e.config, locals, 0); err != nil {
		return err
	}
	return use(w, files)
}

// require plans the model's part.
func (e *Engine) require(ctx context.Context, files hub.Snapshot) (Requirements, error) {
	need := Requirements{Model: e.modelName(), MemoryBytes: max(e.config.MemoryBytes, 0)}
	if e.config.MemoryBytes == 0 {
		need.MemoryBytes = AvailableMemory()
	}
	plan, err := model.Plan(ctx, files)
	if err != nil {
		return need, err
	}
	need.Family, need.Files, need.TokenBytes, need.FixedBytes = plan.Family, plan.Files, plan.TokenBytes, plan.FixedBytes
	need.ThousandBytes = plan.Bytes(1000, prefillRows)
	need.weigh(&e.config, plan)
	for _, file := range wantedOf(tokenizerFiles(new(tokenizer.Files)), files.Has) {
		need.Files = append(need.Files, file.path)
	}
	total, missing := listings{}.sizes(files, need.Files)
	need.DownloadBytes = missing
	if need.WeightBytes == 0 { // a configuration that does not state the type of the weights
		need.WeightBytes = total
	}
	return need, nil
}

// weigh fills in the memory of the weights as they are configured, and of other ways to
// keep them that take less.
func (r *Requirements) weigh(c *Config, plan model.Estimate) {
	r.DType, r.PackedBytes = c.dtypeOf(plan.StoredDType), plan.PackedBytes
	if c.Int8Weights {
		r.WeightBytes = plan.Int8WeightBytes(c.ModelDType)
		return
	}
	r.WeightBytes = plan.WeightBytesAs(c.ModelDType)
	if half := plan.WeightBytesAs(halfDType); r.DType != halfDType && plan.StoredDType != "" && half < r.WeightBytes {
		r.HalfBytes = half
	}
	if int8 := plan.Int8WeightBytes(c.ModelDType); int8 < r.WeightBytes {
		r.Int8Bytes = int8
	}
}

// eachSource visits the repository and the files of the first configured sources.
func (w *world) eachSource(ctx context.Context, most int, visit func(files hub.Snapshot, paths []string) error) error {
	for _, set := range w.catalogue.sets {
		for _, row := range set.Sources {
			if most--; most < 0 {
				return nil
			}
			files, err := w.repository(ctx, w.catalogue.byID[row.Source])
			if err != nil {
				return err
			}
			paths, err := sae.Paths(row, files.Has)
			if err != nil {
				return err
			}
			if err := visit(files, paths); err != nil {
				return err
			}
		}
	}
	return nil
}

// Fits says with numbers that the model cannot fit into memory; nil when it does, or when
// that cannot be told.
func (r Requirements) Fits() error {
	if r.MemoryBytes == 0 || r.WeightBytes <= r.MemoryBytes {
		return nil
	}
	remedy := "choose a smaller model or give the process more memory"
	if r.Int8Fits() {
		remedy = fmt.Sprintf("set NPINF_WEIGHTS=int8 (--weights int8), which rounds them to %s, ", hub.BytesText(r.Int8Bytes)) + remedy
	}
	if r.HalfFits() {
		remedy = fmt.Sprintf("set MODEL_DTYPE=bfloat16, with which they take %s, ", hub.BytesText(r.HalfBytes)) + remedy
	}
	return fmt.Errorf("%s needs %s of memory for its weights%s, but only %s are available: %s",
		r.Model, hub.BytesText(r.WeightBytes), r.as(), hub.BytesText(r.MemoryBytes), remedy)
}

// HalfFits reports whether the weights would fit as bfloat16, and only then.
func (r Requirements) HalfFits() bool {
	return r.WeightBytes > r.MemoryBytes && r.HalfBytes > 0 && r.HalfBytes <= r.MemoryBytes
}

// Int8Fits reports whether the weights would fit as int8 where they do not as they are.
func (r Requirements) Int8Fits() bool {
	return r.WeightBytes > r.MemoryBytes && r.Int8Bytes > 0 && r.Int8Bytes <= r.MemoryBytes
}

// as names the storage type of the weights, if it is known.
func (r Requirements) as() string {
	if r.DType == "" || r.DType == autoDType {
		return ""
	}
	return " as " + r.DType
}

// Left is the memory that stays when the weights are loaded; 0 when none does or that
// cannot be told.
func (r Requirements) Left() int64 { return max(r.MemoryBytes-r.WeightBytes, 0) }

// expertBytes is the memory for experts widened from MXFP4: half of what stays, at least
// a gibibyte.
func (r Requirements) expertBytes() int64 { return max(r.Left()/2, 1<<30) }

// listings remembers the files of snapshots, which take long to list when there are many.
type listings map[hub.Snapshot]map[string]hub.FileInfo

// sizes adds up files of a snapshot, and those of them that are not local yet.
func (l listings) sizes(files hub.Snapshot, paths []string) (total, missing int64) {
	if l[files] == nil {
		l[files] = map[string]hub.FileInfo{}
		for _, file := range files.Files() {
			l[files][file.Path] = file
		}
	}
	counted := map[string]bool{}
	for _, path := range paths {
		file, known := l[files][path]
		if !known || counted[path] {
			continue
		}
		counted[path] = true
		total += file.Size
		if !file.Cached {
			missing += file.Size
		}
	}
	return total, missing
}

// availableMemory reads what Linux says can be had without swapping, and what the control
// group of a container leaves; the smaller counts. root is where proc and sys are mounted.
// On other systems it is 0, which means unknown.
func availableMemory(root string) int64 {
	available := memoryLine(filepath.Join(root, "proc/meminfo"), "MemAvailable:") * 1024
	most := fileNumber(filepath.Join(root, "sys/fs/cgroup/memory.max"))
	if most == 0 {
		return available
	}
	// Page cache counts as used but gives way, so it is added back.
	stat := filepath.Join(root, "sys/fs/cgroup/memory.stat")
	left := most - fileNumber(filepath.Join(root, "sys/fs/cgroup/memory.current")) + memoryLine(stat, "file")
	if available == 0 || left < available {
		return max(left, 1)
	}
	return available
}

// memoryLine reads the number behind a name in a file of such lines; 0 when it is not there.
func memoryLine(path, name string) int64 {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == name {
			return parseNumber(fields[1])
		}
	}
	return 0
}

func fileNumber(path string) int64 {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return parseNumber(strings.TrimSpace(string(content)))
}

// parseNumber reads a non-negative number; "max", the control group's word for none, is 0.
func parseNumber(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return number
}
