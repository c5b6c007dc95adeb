package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"npinf/chat"
	"npinf/kernels"
	"npinf/lens"
	"npinf/model"
)

// Lens reads tokens out of the residual stream, position by position, and may generate more
// of them. emit gets the answer piece by piece. An error before the first piece is a refusal;
// an error of emit ends the work.
func (e *Engine) Lens(ctx context.Context, r LensRequest, emit func(LensFrame) error) error {
	if r.FailIfBusy && e.admission.full() {
		return &Error{Code: Busy, Message: "Server is busy with another request"}
	}
	_, err := serve(ctx, e, func(w *world) (struct{}, error) {
		job, err := e.newLensJob(ctx, w, r)
		if err != nil {
			return struct{}{}, err
		}
		defer job.release()
		return struct{}{}, job.run(ctx, emit)
	})
	return err
}

// lensJob is one request on its way through the model.
type lensJob struct {
	world    *world
	request  LensRequest
	jacobian *lens.Jacobian // nil where there is none
	meta     LensMeta
	reader   *lens.Reader
	texts    *lens.Vocabulary
	point    model.Point
	// reads are the layers that are decoded, each once though several types may show it; shown
	// are the reads of each type, in the order of its layers.
	reads []lens.Layer
	shown [][]int

	tokens  []int // prompt, then what was generated
	prompt  []LensPosition
	turn    *chat.Tracker
	cache   *model.Cache
	edits   []model.Edit
	sampler *sampler
	closers []func()
}

// newLensJob checks a request and prepares everything but the model's work.
func (e *Engine) newLensJob(ctx context.Context, w *world, r LensRequest) (job *lensJob, err error) {
	if err := w.checkLens(r); err != nil {
		return nil, err
	}
	j := &lensJob{world: w, request: r, point: model.ResidPost}
	defer func() {
		if err != nil {
			j.release()
		}
	}()
	if j.jacobian, err = w.lensFor(ctx, r); err != nil {
		return nil, err
	}
	ids, spans, err := e.lensTokens(ctx, w, r)
	if err != nil {
		return nil, err
	}
	j.tokens, j.prompt, j.turn = ids, w.display(ids, spans), w.turnBehind(ids, r.Chat)
	j.meta = LensMeta{Types: unique(r.Types), Top: r.Top, PromptLength: len(ids), Temperature: r.Temperature, PrependBOS: r.PrependBOS}
	if len(r.InputIDs) == 0 {
		j.meta.Completion = max(0, min(r.Completion, e.positions(w)-len(ids)))
	}
	if err := j.prepare(); err != nil {
		return nil, err
	}
	return j, j.claim(ctx, e)
}

// prepare decides what is read, changed and sampled.
func (j *lensJob) prepare() error {
	w, r := j.world, j.request
	if j.jacobian != nil {
		if j.jacobian.Reduction != "none" {
			return invalid("This lens joins several residual streams (stream_reduce=%s), but the residual of this model has no stream axis", j.jacobian.Reduction)
		}
		j.point = j.jacobian.Point
	}
	j.chooseLayers()
	j.texts = w.vocabulary()
	j.reader = &lens.Reader{Device: w.device, Model: w.model, Jacobian: j.jacobian, Top: r.Top, Claim: w.logits.wait}
	if r.WordsOnly {
		j.reader.Words = j.texts
	}
	if err := j.intervene(); err != nil {
		return err
	}
	if len(j.edits) == 0 {
		j.meta.Reused = chat.CommonPrefix(j.tokens, r.CachedIDs)
	}
	seed := float64(rand.Uint64() >> 11)
	if r.Seed != nil {
		seed = float64(*r.Seed)
	}
	j.sampler = newSampler(Steering{Temperature: r.Temperature, Seed: seed}, nil)
	return nil
}

// claim waits for the memory of keys, values and residuals.
func (j *lensJob) claim(ctx context.Context, e *Engine) error {
	positions := len(j.tokens) + j.meta.Completion
	bytes := j.world.model.CacheSize().Bytes(positions, len(j.tokens)) + int64(len(j.tokens)-j.meta.Reused)*int64(len(j.reads))*int64(j.world.info.Width)*4
	giveBack, err := j.world.scheduler.memory.claim(ctx, bytes, e.config.RequestTimeout)
	if err != nil {
		return err
	}
	j.closers = append(j.closers, giveBack)
	j.cache = j.world.model.NewCache(0)
	j.cache.Limit(positions)
	j.closers = append(j.closers, j.cache.Release)
	return nil
}

func (j *lensJob) release() {
	for _, done := range slices.Backward(j.closers) {
		done()
	}
	j.closers = nil
}

// chooseLayers finds out what each type shows, and which layers have to be decoded for that:
// one that the Jacobian lens does not carry looks the same in both types.
func (j *lensJob) chooseLayers() {
	last := j.world.info.Layers - 1
	for _, kind := range j.meta.Types {
		available := j.jacobian.Layers()
		if kind == LogitLens {
			available = upTo(last)
		}
		var layers, shown []int
		for _, layer := range available {
			if len(j.request.Layers) == 0 || slices.Contains(j.request.Layers, layer) {
				layers = append(layers, layer)
			}
		}
		if !slices.Contains(layers, last) {
			layers = append(layers, last)
		}
		for _, layer := range layers {
			read := lens.Layer{Index: layer, Carried: kind == JacobianLens && j.jacobian.Fits(layer), Last: layer == last}
			at := slices.Index(j.reads, read)
			if at < 0 {
				at = len(j.reads)
				j.reads = append(j.reads, read)
			}
			shown = append(shown, at)
		}
		j.meta.Layers, j.shown = append(j.meta.Layers, layers), append(j.shown, shown)
	}
}

// run reads the prompt, then generates and reads on.
func (j *lensJob) run(ctx context.Context, emit func(LensFrame) error) error {
	if err := emit(LensFrame{Meta: &j.meta}); err != nil {
		return err
	}
	if err := emit(LensFrame{Prompt: j.prompt}); err != nil {
		return err
	}
	logits, err := j.step(ctx, j.tokens, j.meta.Reused, func(i int, choices [][][]LensChoice) error {
		return emit(LensFrame{Reading: &LensReading{j.prompt[j.meta.Reused+i], j.meta.Types, choices}})
	})
	if err != nil {
		return err
	}
	if err := j.generate(ctx, logits, emit); err != nil {
		return err
	}
	generated := j.tokens[j.meta.PromptLength:]
	return emit(LensFrame{Done: &LensDone{Length: len(j.tokens), PromptLength: j.meta.PromptLength,
		Vocabulary: j.world.info.Vocabulary, Completion: j.world.tokenizer.Decode(generated, false)}})
}

// generate goes on behind the prompt. A token that ends the text is read like the others.
func (j *lensJob) generate(ctx context.Context, logits []float32, emit func(LensFrame) error) error {
	shown := &repair{text: j.world.decode, emit: func(r *LensReading) error { return emit(LensFrame{Reading: r}) }}
	for range j.meta.Completion {
		if !finite(logits) {
			return &Error{Code: NonFinite, Message: "Non-finite logits during generation (nan/inf) — likely caused by steering that is too strong. " +
				"Reduce the steer strength or the number of steered layers."}
		}
		next := j.sampler.pick(logits)
		position := LensPosition{Position: len(j.tokens), ID: next, Text: j.texts.Texts[next], Generated: true}
		position.Span = spanOf(j.turn.Next(position.Text))
		j.tokens = append(j.tokens, next)
		var err error
		logits, err = j.step(ctx, []int{next}, 0, func(_ int, choices [][][]LensChoice) error {
			return shown.push(&LensReading{position, j.meta.Types, choices})
		})
		if err != nil {
			return err
		}
		if j.world.stops[next] {
			break
		}
	}
	return shown.flush()
}

// step runs new tokens, reads their residuals from row skip on and returns the logits behind
// the last one, nil where nothing is generated.
func (j *lensJob) step(ctx context.Context, tokens []int, skip int, tell func(i int, choices [][][]LensChoice) error) ([]float32, error) {
	sequence := &model.Sequence{Tokens: tokens, Cache: j.cache, Edits: j.edits}
	if j.meta.Completion > 0 {
		sequence.Want = model.LastLogits
	} else if skip == len(tokens) {
		return nil, nil
	}
	taps := j.taps(len(tokens), skip)
	for _, tap := range taps {
		sequence.Taps = append(sequence.Taps, tap)
	}
	err := j.world.model.Forward(ctx, []*model.Sequence{sequence})
	defer func() {
		for _, tap := range sequence.Taps {
			if !tap.Out.IsZero() {
				j.world.device.Release(tap.Out)
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	var logits []float32
	if sequence.Want == model.LastLogits {
		logits = j.world.download(sequence.Logits)
		j.world.device.Release(sequence.Logits)
	}
	if len(taps) == 0 {
		return logits, nil
	}
	rows := make([]kernels.Buffer, len(j.reads))
	for i, read := range j.reads {
		rows[i] = taps[read.Index].Out
	}
	return logits, j.read(ctx, rows, tell)
}

// taps ask for the residuals of the layers that are read, once each, from row skip on.
func (j *lensJob) taps(tokens, skip int) map[int]*model.Tap {
	taps := map[int]*model.Tap{}
	if skip == tokens {
		return taps
	}
	rows := upTo(tokens - 1)[skip:]
	for _, read := range j.reads {
		taps[read.Index] = &model.Tap{Address: model.Address{Point: j.point, Layer: read.Index}, Rows: rows, Head: -1}
	}
	return taps
}

// read decodes residuals, as many positions at a time as fit into one pass.
func (j *lensJob) read(ctx context.Context, rows []kernels.Buffer, tell func(i int, choices [][][]LensChoice) error) error {
	step := j.reader.Positions(len(j.reads))
	for first := 0; first < rows[0].Rows; first += step {
		count := min(step, rows[0].Rows-first)
		part := make([]kernels.Buffer, len(rows))
		for i, b := range rows {
			part[i] = j.world.device.View(b, first, count, 0, b.Width)
		}
		tokens, err := j.reader.Read(ctx, j.reads, part)
		if errors.Is(err, lens.ErrNonFinite) {
			return errNonFinite("the reading of a lens")
		}
		if err != nil {
			return err
		}
		for i := range count {
			if err := tell(first+i, j.choices(tokens, i)); err != nil {
				return err
			}
		}
	}
	return nil
}
