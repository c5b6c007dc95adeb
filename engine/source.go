package engine

import (
	"context"
	"math"

	"npinf/kernels"
	"npinf/model"
	"npinf/sae"
)

// facts are what is known of a source even after its weights have gone.
type facts struct {
	id          string
	address     model.Address // where its input rows are captured
	width       int           // of those rows
	features    int
	attribution bool
}

// loaded is a resident source.
type loaded struct {
	facts
	source *sae.Source
}

// encoding is a source ready to encode. release must be called when it is no longer used.
type encoding struct {
	*loaded
	release func()
}

// factsOf finds out where the input of a loaded source is captured, and that it fits.
func (w *world) factsOf(id string, source *sae.Source) (facts, error) {
	known := facts{id: id, width: source.Width, features: source.Features, attribution: source.Attribution()}
	if source.HookName == "" {
		return known, invalid("Source %s does not say where its input is: its configuration has no hook name", id)
	}
	address, err := model.ParseHook(source.HookName)
	if err != nil {
		return known, invalid("Source %s cannot be captured: %v", id, err)
	}
	known.address = address
	return known, w.fits(known)
}

// fits checks that the model has the point of a source, as wide as the source wants it.
func (w *world) fits(known facts) error {
	if err := w.model.Check(known.address); err != nil {
		return invalid("Source %s cannot be captured: %v", known.id, err)
	}
	width, err := w.model.PointWidth(known.address)
	if err != nil {
		return invalid("Source %s cannot be captured: %v", known.id, err)
	}
	if width != known.width {
		return invalid("Source %s expects rows of %d numbers at %s, layer %d, but this model has %d: it belongs to another model",
			known.id, known.width, known.address.Point, known.address.Layer, width)
	}
	return nil
}

// neurons makes the neurons of a layer a source: the rows between activation and down
// projection are the activations themselves.
func (w *world) neurons(e entry) (*loaded, error) {
	address := model.Address{Point: model.MLPAct, Layer: e.layer}
	if err := w.model.Check(address); err != nil {
		return nil, invalid("Source %s cannot be captured: %v", e.id, err)
	}
	width, err := w.model.PointWidth(address)
	if err != nil {
		return nil, invalid("Source %s cannot be captured: %v", e.id, err)
	}
	return &loaded{facts{id: e.id, address: address, width: width, features: width}, sae.Neurons(w.device, width, e.layer)}, nil
}

// describe gives the facts of a source. One that was never resident is loaded for them.
func (w *world) describe(ctx context.Context, e entry) (facts, error) {
	w.mu.Lock()
	known, ok := w.facts[e.id]
	w.mu.Unlock()
	if ok {
		return known, nil
	}
	encoding, err := w.acquire(ctx, e)
	if err != nil {
		return facts{}, err
	}
	defer encoding.release()
	return encoding.facts, nil
}

// acquire makes a source ready to encode, loading it when needed.
func (w *world) acquire(ctx context.Context, e entry) (*encoding, error) {
	if e.neuron() {
		layer, err := w.neurons(e)
		if err != nil {
			return nil, err
		}
		return &encoding{layer, func() {}}, nil
	}
	resident, release, err := w.sources.acquire(ctx, e.id)
	if err != nil {
		return nil, err
	}
	recordOf(ctx).use(w.sourceOrigin(e).Origin)
	return &encoding{resident, release}, nil
}

// prepare turns captured rows into the encoder's input and refuses NaN and infinity: they
// would hide in rankings. done gives back what was made.
func (w *world) prepare(s *encoding, captured kernels.Buffer) (rows kernels.Buffer, done func(), err error) {
	rows, done = s.source.Prepare(w.device, captured), func() {}
	if !rows.Same(captured) {
		done = func() { w.device.Release(rows) }
	}
	if !finite(w.download(rows)) {
		done()
		return kernels.Buffer{}, nil, errNonFinite("the input of source " + s.id)
	}
	return rows, done, nil
}

// values encodes some features of prepared rows, [rows, len(features)].
func (w *world) values(s *encoding, rows kernels.Buffer, features []int) ([]float32, error) {
	encoded := w.device.NewBuffer(rows.Rows, len(features))
	defer w.device.Release(encoded)
	w.device.EncodeFeatures(encoded, rows, s.source.Encoder(), features)
	values := w.download(encoded)
	if !finite(values) {
		return nil, errNonFinite("the output of source " + s.id)
	}
	return values, nil
}

// download copies a buffer to the host, row after row.
func (w *world) download(b kernels.Buffer) []float32 {
	values := make([]float32, b.Rows*b.Width)
	w.device.Download(values, b)
	return values
}

// finite reports whether no value is NaN or infinite.
func finite(values []float32) bool {
	for _, value := range values {
		if !(math.Abs(float64(value)) <= math.MaxFloat32) {
			return false
		}
	}
	return true
}

// peak gives the largest of some values and the first index that reaches it.
func peak(values []float32) (largest float32, first int) {
	for i, value := range values {
		if i == 0 || value > largest {
			largest, first = value, i
		}
	}
	return largest, first
}
