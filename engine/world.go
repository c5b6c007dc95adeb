package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"npinf/chat"
	"npinf/hub"
	"npinf/kernels"
	"npinf/lens"
	"npinf/model"
	"npinf/sae"
	"npinf/tokenizer"
)

// world is everything one load brought up. A reload makes a new one.
type world struct {
	device     kernels.Device
	model      *model.Model
	info       model.Info
	tokenizer  *tokenizer.Tokenizer
	catalogue  *catalogue
	sources    *residency[*loaded]
	chat       *chat.Template
	convention chat.Convention // of the turns in generated text
	persona    *persona        // nil where the model has no persona axis
	scheduler  *scheduler
	logits     *memory      // of the lens, for all requests together
	stops      map[int]bool // ids that end a generation
	jacobian   *jacobianLoad
	// texts are made by vocabulary.
	texts          *lens.Vocabulary
	vocabularyOnce sync.Once
	tokenLimit     int
	dtype          string // of the weights as configured, "auto" resolved; "int8" when they are rounded
	saeDType       string
	provenance     Provenance
	hub            Opener
	// patternBytes is the constant of that name; tests lower it.
	patternBytes int

	mu           sync.Mutex
	repositories map[string]hub.Snapshot // repositories of sources, by id
	facts        map[string]facts        // of sources that were loaded once, by id
	stop         context.CancelFunc      // ends loads of sources
	background   sync.WaitGroup
	closers      []func() error // run last to first
}

// close ends loads under way and gives back everything. No request may be under way.
func (w *world) close() error {
	if w.stop != nil {
		w.stop()
	}
	w.background.Wait()
	if w.sources != nil {
		w.sources.close()
	}
	for _, snapshot := range w.repositories {
		w.closers = append(w.closers, snapshot.Close)
	}
	return joined(w.closers)
}

// repository opens the repository of a source once.
func (w *world) repository(ctx context.Context, e entry) (hub.Snapshot, error) {
	if e.local != nil {
		return e.local.Files, nil
	}
	w.mu.Lock()
	snapshot, known := w.repositories[e.row.Repo]
	w.mu.Unlock()
	if known {
		return snapshot, nil
	}
	if w.hub == nil {
		return nil, invalid("Source %s lies on the hub and this server has none: configure a hub, or serve the source from a folder", e.id)
	}
	snapshot, err := w.hub.Open(ctx, e.row.Repo, "")
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if first, known := w.repositories[e.row.Repo]; known { // another load was faster
		_ = snapshot.Close()
		return first, nil
	}
	w.repositories[e.row.Repo] = snapshot
	return snapshot, nil
}

// loadSource reads a source for the residency. It runs in a goroutine of its own, where a
// panic over a file nobody foresaw would end the process.
func (w *world) loadSource(ctx context.Context, id string) (result *loaded, err error) {
	defer func() {
		if defect := recover(); defect != nil {
			err = fmt.Errorf("loading source %s: %v\n%s", id, defect, debug.Stack())
		}
	}()
	e, err := w.catalogue.lookup(id)
	if err != nil {
		return nil, err
	}
	files, err := w.repository(ctx, e)
	if err != nil {
		return nil, errSource(id, err)
	}
	source, err := sae.Load(ctx, files, e.row, sae.LoadOptions{Device: w.device, DType: w.saeDType})
	if err != nil {
		return nil, errSource(id, err)
	}
	known, err := w.factsOf(id, source)
	if err != nil {
		source.Close()
		return nil, err
	}
	w.mu.Lock()
	w.facts[id] = known
	w.mu.Unlock()
	return &loaded{facts: known, source: source}, nil
}

// errSource tells a hub that cannot answer just now from a source that cannot be served.
func errSource(id string, err error) error {
	switch hub.KindOf(err) {
	case hub.Network, hub.Server, hub.RateLimited, hub.NoSpace:
		return &Error{Code: Unavailable, Message: "Source " + id + " cannot be loaded now: " + err.Error(), Cause: err, RetryAfter: retryAfter}
	}
	if known := failure(err).(*Error); known.Code != Internal {
		return known
	}
	return &Error{Code: Invalid, Message: "Source " + id + " cannot be loaded: " + err.Error(), Cause: err}
}
