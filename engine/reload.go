package engine

import (
	"context"
	"regexp"

	"npinf/hub"
	"npinf/internal/pyrepr"
)

// hubName is what a client may name as a model: an id of the hub or of neuronpedia, and no
// folder of this machine.
var hubName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$`)

// Reload loads model and sources again, those of customModel or, when that is "", the
// configured ones. Requests wait meanwhile. A custom model that is unknown or cannot be
// served is refused and everything stays as it is; when the load itself fails the engine is
// no longer ready, Status holds the reason, and another Reload may follow.
func (e *Engine) Reload(ctx context.Context, customModel string) error {
	if e.world.Load() == nil && e.Status().Failed == "" {
		return e.errNotReady() // the first load is under way
	}
	if customModel != "" {
		if err := e.rehearse(ctx, customModel); err != nil {
			return err
		}
	}
	resume, err := e.admission.drain(ctx)
	if err != nil {
		return failure(err)
	}
	defer resume()
	old := e.world.Load()
	if old != nil {
		_ = old.close()
	}
	e.custom.Store(nil)
	if customModel != "" {
		e.custom.Store(&customModel)
	}
	// A client that leaves now must not leave a server without a model.
	if err := e.Load(context.WithoutCancel(ctx)); err != nil {
		e.world.CompareAndSwap(old, nil)
		e.config.Logger.Error("the reload failed", "because", err)
		return e.errNotReady()
	}
	return nil
}

// rehearse plans the load of a custom model without touching what is served.
func (e *Engine) rehearse(ctx context.Context, customModel string) error {
	if !hubName.MatchString(customModel) {
		return invalid("custom_hf_model_id %s is not a model id: write it like openai-community/gpt2", pyrepr.Quote(customModel))
	}
	probe := &Engine{config: e.config}
	probe.custom.Store(&customModel)
	w := &world{repositories: map[string]hub.Snapshot{}}
	defer w.close()
	files, err := probe.open(ctx, w)
	if err == nil {
		_, err = probe.require(ctx, files)
	}
	switch hub.KindOf(err) {
	case hub.Network, hub.Server, hub.RateLimited:
		return &Error{Code: Unavailable, Message: "Model " + customModel + " cannot be loaded now: " + err.Error(), Cause: err, RetryAfter: retryAfter}
	}
	if err != nil {
		return &Error{Code: Invalid, Message: "Model " + customModel + " cannot be loaded: " + err.Error(), Cause: err}
	}
	return nil
}

// effective is the configuration with the model of the last reload.
func (e *Engine) effective() Config {
	config := e.config
	if custom := e.custom.Load(); custom != nil {
		config.CustomModelID = *custom
	}
	return config
}
