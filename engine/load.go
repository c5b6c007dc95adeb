package engine

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"npinf/hub"
	"npinf/model"
)

// Phase is one part of a load with the time it took.
type Phase struct {
	Name  string // open, plan, download, tokenizer, weights, sources
	Start time.Time
	Took  time.Duration
}

// Phases lists the parts of the last load in the order in which they ended; tokenizer and
// weights overlap.
func (e *Engine) Phases() []Phase {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Phase(nil), e.phases...)
}

// phase starts to measure a part of the load; the returned function ends it.
func (e *Engine) phase(name string) (end func()) {
	start := time.Now()
	return func() {
		took := time.Since(start)
		e.mu.Lock()
		e.phases = append(e.phases, Phase{name, start, took})
		e.mu.Unlock()
		e.config.Logger.Debug("load phase", "phase", name, "took", took)
	}
}

// Load brings the model up: it downloads what is missing, reads tokenizer and weights, and
// finds out which sources can be named. A hub that limits requests is asked again every
// minute for as long as ctx lasts; any other error ends the load and stays in Status.
func (e *Engine) Load(ctx context.Context) error {
	e.loads.Lock()
	defer e.loads.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	e.begin()
	for {
		w, err := e.build(ctx)
		if err == nil {
			e.world.Store(w)
			w.background.Go(func() { e.settle(w) })
			return nil
		}
		if hub.KindOf(err) != hub.RateLimited {
			e.fail(err)
			return err
		}
		e.config.Logger.Warn("the hub limits requests; trying again", "in", e.config.RetryWait, "because", err)
		select {
		case <-ctx.Done():
			e.fail(ctx.Err())
			return ctx.Err()
		case <-time.After(e.config.RetryWait):
		}
	}
}

func (e *Engine) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed, e.phases = "", nil
}

func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = err.Error()
}

// build makes a world. On an error everything that was opened is closed again.
func (e *Engine) build(ctx context.Context) (built *world, err error) {
	w := &world{device: e.config.Device, saeDType: e.config.SAEDType, hub: e.config.Hub, patternBytes: patternBytes,
		repositories: map[string]hub.Snapshot{}, facts: map[string]facts{}}
	defer func() {
		if err != nil {
			_ = w.close()
		}
	}()
	end := e.phase("open")
	files, err := e.open(ctx, w)
	end()
	if err != nil {
		return nil, err
	}
	locals, err := e.localSources(ctx, w) // before the download, so that a mistyped place costs nothing
	if err != nil {
		return nil, err
	}
	need, err := e.fetch(ctx, files)
	if err != nil {
		return nil, err
	}
	if err := e.read(ctx, w, files, need); err != nil {
		return nil, err
	}
	e.origins(w, files)
	e.prepareGeneration(w)
	e.offerPersona(w)
	end = e.phase("sources")
	err = e.offerSources(w, locals)
	end()
	if err != nil {
		return nil, err
	}
	e.offerLens(w)
	return w, nil
}

// open opens the repository of the weights. The demo belongs to the caller and stays open.
func (e *Engine) open(ctx context.Context, w *world) (hub.Snapshot, error) {
	config := e.effective()
	id := config.weightsID()
	if id == "" {
		if e.config.Demo == nil {
			return nil, errors.New("no model was named and none is built in: name one, such as gpt2-small")
		}
		return e.config.Demo, nil
	}
	if info, err := os.Stat(id); e.config.Registry != nil && (err != nil || !info.IsDir()) {
		id, _ = e.config.Registry.HubID(id)
	}
	if e.config.Hub == nil {
		return nil, errors.New("model " + id + " needs a hub to come from: configure one")
	}
	files, err := e.config.Hub.Open(ctx, id, "")
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, files.Close)
	return files, nil
}

// fetch plans the load, refuses a model that cannot fit, and makes its files local.
func (e *Engine) fetch(ctx context.Context, files hub.Snapshot) (need Requirements, err error) {
	end := e.phase("plan")
	need, err = e.require(ctx, files)
	end()
	if err != nil {
		return need, err
	}
	e.config.Logger.Info("loading model", "model", e.modelName(), "family", need.Family,
		"dtype", need.DType, "download", hub.BytesText(need.DownloadBytes), "memory", hub.BytesText(need.WeightBytes))
	if err := need.Fits(); err != nil {
		return need, err
	}
	defer e.phase("download")()
	err = files.Fetch(ctx, need.Files)
	switch hub.KindOf(err) {
	case hub.NoSpace, hub.Unwritable: // reading still works without a cache
		e.config.Logger.Warn("the model cannot be cached", "because", err)
		return need, nil
	}
	return need, err
}

// read loads tokenizer and weights side by side.
func (e *Engine) read(ctx context.Context, w *world, files hub.Snapshot, need Requirements) error {
	var both sync.WaitGroup
	var tokenizerErr, modelErr error
	var releases []func()
	both.Go(func() {
		defer e.phase("tokenizer")()
		w.tokenizer, releases, tokenizerErr = readTokenizer(ctx, files)
	})
	both.Go(func() {
		defer e.phase("weights")()
		w.model, modelErr = model.Load(ctx, files, model.Options{Device: e.config.Device, DType: e.config.ModelDType,
			Int8: e.config.Int8Weights, Borrow: e.config.Borrow,
			ExpertBytes: need.expertBytes()})
	})
	both.Wait()
	for _, release := range releases {
		w.closers = append(w.closers, func() error { release(); return nil })
	}
	if w.model != nil {
		w.closers = append(w.closers, w.model.Close)
		w.info = w.model.Info()
		w.tokenLimit = e.limitTo(w.info.MaxPositions)
		w.dtype = e.config.dtypeOf(w.info.StoredDType)
	}
	if modelErr != nil {
		return modelErr
	}
	return tokenizerErr
}

// limitTo is the token limit for a model with so many positions, 0 for unknown.
func (e *Engine) limitTo(positions int) int {
	if positions <= 0 || e.config.TokenLimit <= positions {
		return e.config.TokenLimit
	}
	e.config.Logger.Warn("the token limit is more than the model's positions", "limit", e.config.TokenLimit, "positions", positions)
	return positions
}

// dtypeOf is the storage type of the weights of a checkpoint that is stored in the given type.
func (c *Config) dtypeOf(stored string) string {
	switch {
	case c.Int8Weights:
		return int8DType
	case c.ModelDType == autoDType:
		return stored
	}
	return c.ModelDType
}

// offerSources finds out which sources requests may name and makes room for them.
func (e *Engine) offerSources(w *world, locals []LocalSource) (err error) {
	config := e.effective()
	if w.catalogue, err = newCatalogue(&config, locals, w.info.Layers); err != nil {
		return err
	}
	var life context.Context
	life, w.stop = context.WithCancel(e.life)
	w.sources = newResidency(life, e.config.MaxLoadedSAEs, w.loadSource,
		func(l *loaded) { l.source.Close() }, func(l *loaded) int64 { return l.source.Bytes() })
	return nil
}
