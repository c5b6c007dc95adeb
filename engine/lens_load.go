package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"npinf/hub"
	"npinf/internal/pyrepr"
	"npinf/lens"
)

// JacobianConfig says where the Jacobian lens of a model comes from.
type JacobianConfig struct {
	// ModelID is the neuronpedia id under which it is published; "" finds it by the model.
	ModelID string
	// Source is a local folder that holds the lens; "" takes it from the repository.
	Source string
	// Repo is a repository of lenses; default neuronpedia/jacobian-lens.
	Repo string
	// Path is the file in the repository; "" finds it by model and dataset.
	Path string
	// Dataset is what the lens was fitted on; default Salesforce-wikitext.
	Dataset string
}

const (
	defaultLensRepo    = "neuronpedia/jacobian-lens"
	defaultLensDataset = "Salesforce-wikitext"
	lensSuffix         = "_jacobian_lens.pt"
)

// lensGrace is how long a start waits for the Jacobian lens. One that takes longer, because it
// has to be downloaded or the hub does not answer, comes later.
const lensGrace = 2 * time.Second

// jacobianLoad is the Jacobian lens of a model, there or on its way. The other fields may be
// read when done is closed.
type jacobianLoad struct {
	done chan struct{}
	lens *lens.Jacobian // nil where there is none
	why  *LensUnavailable
	// origin is where the lens comes from.
	origin SourceOrigin
}

// now is the lens as far as it is loaded, nil for none.
func (l *jacobianLoad) now() *lens.Jacobian {
	select {
	case <-l.done:
		return l.lens
	default:
		return nil
	}
}

// wait gives the lens when its load has ended, or says why there is none.
func (l *jacobianLoad) wait(ctx context.Context) (*lens.Jacobian, *LensUnavailable, error) {
	select {
	case <-l.done:
		return l.lens, l.why, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// offerLens brings up the Jacobian lens of the model, when there is one. A model without one
// is served all the same: requests for the lens are told why.
func (e *Engine) offerLens(w *world) {
	w.jacobian = &jacobianLoad{done: make(chan struct{})}
	config := e.effective()
	if config.Jacobian == nil || config.weightsID() == "" || config.Hub == nil {
		w.jacobian.why = &LensUnavailable{Status: "skipped"}
		close(w.jacobian.done)
		return
	}
	w.background.Go(func() {
		defer close(w.jacobian.done)
		if err := e.loadLens(w.sources.life, w, &config); err != nil {
			w.jacobian.why = &LensUnavailable{Status: "error", Detail: err.Error()}
			e.config.Logger.Info("there is no Jacobian lens", "because", err)
		}
	})
	select {
	case <-w.jacobian.done:
	case <-time.After(lensGrace):
	}
}

// loadLens makes the file of the lens local and loads it.
func (e *Engine) loadLens(ctx context.Context, w *world, config *Config) (err error) {
	defer e.phase("lens")()
	defer func() { // a panic over a file nobody foresaw must not end the process
		if defect := recover(); defect != nil {
			e.config.Logger.Error("loading the Jacobian lens panicked", "cause", defect, "stack", string(debug.Stack()))
			err = fmt.Errorf("the lens cannot be read: %v", defect)
		}
	}()
	files, path, err := config.findLens(ctx)
	if err != nil {
		return err
	}
	w.closers = append(w.closers, files.Close) // nobody else adds to them now
	err = files.Fetch(ctx, []string{path})
	if kind := hub.KindOf(err); err != nil && kind != hub.NoSpace && kind != hub.Unwritable { // else it can be read all the same
		return err
	}
	loaded, err := lens.LoadJacobian(ctx, w.device, files, path, w.info.Width, w.info.Layers)
	if err != nil {
		return err
	}
	w.jacobian.lens, w.jacobian.origin = loaded, SourceOrigin{Origin: originOf(files), Path: path}
	w.closers = append(w.closers, func() error { loaded.Close(); return nil })
	e.config.Logger.Info("the Jacobian lens is loaded", "file", path, "layers", len(loaded.Layers()), "memory", hub.BytesText(loaded.Bytes()))
	return nil
}

// fetchLens makes the lens local for later; a model without one is complete as well.
func (e *Engine) fetchLens(ctx context.Context) error {
	config := e.effective()
	if config.Jacobian == nil || config.weightsID() == "" || config.Hub == nil {
		return nil
	}
	files, path, err := config.findLens(ctx)
	if err != nil {
		e.config.Logger.Info("there is no Jacobian lens", "because", err)
		return ctx.Err()
	}
	return errors.Join(files.Fetch(ctx, []string{path}), files.Close())
}

// findLens finds the file of a lens and opens what holds it.
func (c *Config) findLens(ctx context.Context) (hub.Snapshot, string, error) {
	if folder := c.Jacobian.Source; folder != "" {
		return openedLens(ctx, c.Hub, folder, func(files hub.Snapshot) (string, error) {
			paths := lensFiles(files, "", lensSuffix)
			if len(paths) == 0 {
				return "", fmt.Errorf("no *%s in %s", lensSuffix, folder)
			}
			return paths[0], nil
		})
	}
	repo := firstOf(c.Jacobian.Repo, defaultLensRepo)
	if path := c.Jacobian.Path; path != "" {
		return openedLens(ctx, c.Hub, repo, func(files hub.Snapshot) (string, error) {
			if !files.Has(path) {
				return "", fmt.Errorf("there is no %s in %s", path, repo)
			}
			return path, nil
		})
	}
	id, weights, err := c.lensModel()
	if err != nil {
		return nil, "", err
	}
	return openedLens(ctx, c.Hub, repo, func(files hub.Snapshot) (string, error) {
		return publishedLens(files, repo, id, weights, firstOf(c.Jacobian.Dataset, defaultLensDataset))
	})
}

// openedLens opens a repository or folder and finds the lens in it.
func openedLens(ctx context.Context, from Opener, name string, find func(hub.Snapshot) (string, error)) (hub.Snapshot, string, error) {
	files, err := from.Open(ctx, name, "")
	if err != nil {
		return nil, "", err
	}
	path, err := find(files)
	if err != nil {
		return nil, "", errors.Join(err, files.Close())
	}
	return files, path, nil
}

// publishedLens finds the file of a model in a repository of lenses.
func publishedLens(files hub.Snapshot, repo, id, weights, dataset string) (string, error) {
	folder := id + "/jlens/" + dataset + "/"
	name := slug(weights)
	tried := []string{folder + name + lensSuffix, folder + name + "_jacobian_lens_n1000.pt"}
	for _, path := range tried {
		if files.Has(path) {
			return path, nil
		}
	}
	if others := lensFiles(files, folder, ".pt"); len(others) > 0 {
		return others[0], nil
	}
	return "", fmt.Errorf("no Jacobian lens for %s (dataset %s) in %s; tried %s and every .pt beside them",
		pyrepr.Quote(id), dataset, repo, strings.Join(tried, ", "))
}

// lensFiles lists the files of a folder and below with an ending, sorted.
func lensFiles(files hub.Snapshot, folder, ending string) []string {
	var paths []string
	for _, file := range files.Files() {
		if strings.HasPrefix(file.Path, folder) && strings.HasSuffix(file.Path, ending) {
			paths = append(paths, file.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

var notInSlug = regexp.MustCompile(`[^0-9A-Za-z._-]+`)

// slug is a model's name as files are named after it.
func slug(id string) string {
	name := id[strings.LastIndexByte(id, '/')+1:]
	return firstOf(strings.Trim(notInSlug.ReplaceAllString(name, "-"), "-"), "model")
}

// lensModel finds the neuronpedia id under which the lens of the configured model would be
// published, and the repository of its weights.
func (c *Config) lensModel() (id, weights string, err error) {
	registry := c.Registry
	if id := c.Jacobian.ModelID; id != "" {
		if registry != nil {
			if repo, known := registry.HubID(id); known {
				return id, repo, nil
			}
		}
		return id, firstOf(c.CustomModelID, id), nil
	}
	if registry != nil {
		if repo, known := registry.HubID(c.ModelID); known {
			return c.ModelID, repo, nil
		}
		for _, repo := range []string{c.CustomModelID, c.OverrideModelID, c.ModelID} {
			if ids := registry.NeuronpediaIDs(repo); len(ids) > 0 {
				return ids[0], repo, nil
			}
		}
	}
	ids := slices.DeleteFunc(unique([]string{c.CustomModelID, c.OverrideModelID, c.ModelID}), func(id string) bool { return id == "" })
	return "", "", fmt.Errorf("no neuronpedia id is known for %s: set NEURONPEDIA_MODEL_ID", strings.Join(ids, ", "))
}
