package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"npinf/model"
)

// Engine is a model with its sources, behind the verbs of Service. Make it with New, load it
// with Load, and ask it from any number of goroutines.
type Engine struct {
	config    Config
	admission *admission
	// generations admits the requests that generate: they spend their time waiting for the
	// scheduler, so more of them may be inside.
	generations *admission
	life        context.Context // ends with Close
	stop        context.CancelFunc
	world       atomic.Pointer[world] // nil until the load is done
	// custom is the model a reload asked for instead of the configured one, nil for none.
	custom atomic.Pointer[string]

	mu     sync.Mutex
	failed string
	phases []Phase
	loads  sync.Mutex // one load at a time
}

var _ Service = (*Engine)(nil)

// New makes an engine that has nothing loaded yet.
func New(config Config) *Engine {
	config = config.withDefaults()
	life, stop := context.WithCancel(context.Background())
	e := &Engine{
		config:      config,
		admission:   newAdmission(config.MaxConcurrent, config.MaxQueued, config.RequestTimeout),
		generations: newAdmission(config.MaxGenerations, config.MaxQueued, config.RequestTimeout),
		life:        life,
		stop:        stop,
	}
	e.admission.beside = e.generations
	return e
}

// Status says whether the model is loaded. It never blocks.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return Status{Ready: e.world.Load() != nil, Failed: e.failed, Model: e.modelName()}
}

// modelName is the model as it was configured, or the name of the one in the binary.
func (e *Engine) modelName() string {
	config := e.effective()
	if id := config.weightsID(); id != "" {
		return id
	}
	if e.config.Demo != nil {
		return e.config.Demo.Name()
	}
	return ""
}

// errNotReady says how far the load is.
func (e *Engine) errNotReady() *Error {
	message := "Server not initialized."
	if failed := e.Status().Failed; failed != "" {
		message += " Initialization error: " + failed
	}
	return &Error{Code: NotReady, Message: message}
}

// serve runs one verb in a slot, when the model is loaded, and gives errors their codes.
func serve[R any](ctx context.Context, e *Engine, verb func(w *world) (R, error)) (result R, err error) {
	return serveIn(ctx, e, e.admission, verb)
}

// serveIn is serve for the slots of one of the two admissions.
func serveIn[R any](ctx context.Context, e *Engine, slots *admission, verb func(w *world) (R, error)) (result R, err error) {
	if e.world.Load() == nil {
		return result, e.errNotReady()
	}
	leave, err := slots.enter(ctx)
	if err != nil {
		return result, failure(err)
	}
	defer leave()
	w := e.world.Load()
	if w == nil { // a reload failed while this request waited
		return result, e.errNotReady()
	}
	recordOf(ctx).enter(w)
	if result, err = verb(w); err != nil {
		var nothing R
		return nothing, failure(err)
	}
	return result, nil
}

// Close refuses new requests, waits for those under way and gives back everything.
func (e *Engine) Close() error {
	e.admission.close()
	e.stop()
	e.loads.Lock()
	defer e.loads.Unlock()
	w := e.world.Swap(nil)
	if w == nil {
		return nil
	}
	return w.close()
}

// Capabilities describes what is served.
func (e *Engine) Capabilities() (Capabilities, error) {
	w := e.world.Load()
	if w == nil {
		return Capabilities{}, e.errNotReady()
	}
	statistics := w.sources.statistics()
	statistics.RegisteredCount = int64(len(w.catalogue.byID))
	return Capabilities{
		Model:                e.modelName(),
		Device:               w.device.Name(),
		MaxConcurrent:        e.config.MaxConcurrent,
		MaxTokens:            e.config.MaxTokens,
		TokenLimit:           e.config.TokenLimit,
		LensTokenLimit:       e.lensLimit(w),
		ActivationTokenLimit: w.tokenLimit,
		CapturePoints:        append([]string(nil), capturePoints...),
		Layers:               w.info.Layers,
		SourceSets:           w.catalogue.setNames(),
		Cache:                statistics,
		Neurons:              w.hasNeurons(),
		Attribution:          true,
		Jacobian:             w.jacobian.now() != nil,
	}, nil
}

// hasNeurons tells whether some layer has an MLP whose neurons can be captured; the layers
// of a mixture of experts have none.
func (w *world) hasNeurons() bool {
	for layer := range w.info.Layers {
		if w.model.Check(model.Address{Point: model.MLPAct, Layer: layer}) == nil {
			return true
		}
	}
	return false
}

// capturePoints are the points clients are told of, sorted. The list is that of the server
// npinf replaces and the same for every model, points of families it does not have included.
var capturePoints = []string{
	"attn_in", "attn_out", "attn_out_post", "attn_stream_collapse", "attn_stream_mix", "attn_stream_write",
	"embeddings", "final_norm", "k_norm_in", "k_norm_out", "mlp_act", "mlp_in", "mlp_out", "mlp_out_post",
	"mlp_stream_collapse", "mlp_stream_mix", "mlp_stream_write", "q_norm_in", "q_norm_out", "resid_mid",
	"resid_post", "resid_pre", "resid_streams", "router_logits", "value", "z",
}

// SourceSet is a configured set with the ids of its sources.
type SourceSet struct {
	Name    string
	Sources []string
}

// SourceSets lists the configured sets in order, without the neurons.
func (e *Engine) SourceSets() ([]SourceSet, error) {
	w := e.world.Load()
	if w == nil {
		return nil, e.errNotReady()
	}
	sets := make([]SourceSet, len(w.catalogue.sets))
	for i, set := range w.catalogue.sets {
		sets[i] = SourceSet{set.Name, idsOf(set)}
	}
	return sets, nil
}

// joined is errors.Join for the closers of a world.
func joined(closers []func() error) error {
	var all []error
	for i := len(closers) - 1; i >= 0; i-- {
		all = append(all, closers[i]())
	}
	return errors.Join(all...)
}
