package engine

import (
	"context"
	"math/big"

	"npinf/internal/pyrepr"
	"npinf/kernels"
	"npinf/model"
)

// ActivationSingle gives the activation of one feature, or the dot product with one
// direction, at every position of each prompt.
func (e *Engine) ActivationSingle(ctx context.Context, r SingleRequest) ([]SingleResult, error) {
	return serve(ctx, e, func(w *world) ([]SingleResult, error) { return w.single(ctx, r) })
}

func (w *world) single(ctx context.Context, r SingleRequest) ([]SingleResult, error) {
	if r.Batch {
		if err := batchSize(r.Prompts, maxBatch); err != nil {
			return nil, err
		}
	}
	feature := r.Source != nil && r.Index != nil
	direction := r.Vector != nil && r.Hook != nil
	if feature == direction {
		return nil, invalid("Invalid request data: exactly one of layer/index or vector must be provided")
	}
	if feature {
		return w.singleFeature(ctx, r)
	}
	return w.singleDirection(ctx, r)
}

func (w *world) singleFeature(ctx context.Context, r SingleRequest) ([]SingleResult, error) {
	e, err := w.catalogue.lookup(*r.Source)
	if err != nil {
		return nil, err
	}
	number, err := featureNumber(*r.Index)
	if err != nil {
		return nil, err
	}
	prompts, err := w.singlePrompts(r)
	if err != nil {
		return nil, err
	}
	source, err := w.acquire(ctx, e)
	if err != nil {
		return nil, err
	}
	defer source.release()
	feature, err := source.feature(number)
	if err != nil {
		return nil, err
	}
	addresses := append(w.attributionAddresses([]facts{source.facts}, prompts), source.address)
	c, err := w.capture(ctx, prompts, func(int) []*model.Tap { return tapsAt(addresses) })
	if err != nil {
		return nil, err
	}
	defer c.release()
	return w.featureResults(ctx, prompts, c, source, feature)
}

// featureNumber reads a feature index, which may be any whole number.
func featureNumber(index string) (*big.Int, error) {
	number, ok := pythonInt(index)
	if !ok {
		return nil, invalid("invalid literal for int() with base 10: %s", pyrepr.Quote(index))
	}
	return number, nil
}

// feature refuses an index that the source does not have.
func (f facts) feature(number *big.Int) (int, error) {
	if !number.IsInt64() || number.Int64() < 0 || number.Int64() >= int64(f.features) {
		return 0, invalid("Feature index %s is out of range for %s, which has %d features", number, f.id, f.features)
	}
	return int(number.Int64()), nil
}

// singlePrompts tokenises the prompts; each must have something besides the BOS.
func (w *world) singlePrompts(r SingleRequest) ([]prompt, error) {
	prompts, err := w.prompts(r.Prompts, w.activationLimit(r.Batch))
	if err != nil {
		return nil, err
	}
	for _, p := range prompts {
		if len(p.ids) == p.body() {
			return nil, invalid("Prompt has no tokens besides BOS")
		}
	}
	return prompts, nil
}

func (w *world) featureResults(ctx context.Context, prompts []prompt, c *capture, source *encoding, feature int) ([]SingleResult, error) {
	results := make([]SingleResult, len(prompts))
	attributions := make([]Attribution, len(prompts))
	var jobs []*attributionJob
	for i, p := range prompts {
		values, err := w.featureValues(source, c.at(i, source.address), feature)
		if err != nil {
			return nil, err
		}
		w.silenceBOS(p, values)
		results[i] = w.singleResult(p, values, p.body())
		if source.attribution {
			direction, err := source.source.EncoderRow(w.device, feature)
			if err != nil {
				return nil, err
			}
			jobs = append(jobs, &attributionJob{prompt: i, layer: source.address.Layer, direction: direction,
				target: results[i].MaxIndex + p.body(), result: &attributions[i]})
		}
	}
	if err := w.attribute(ctx, prompts, c, jobs); err != nil {
		return nil, err
	}
	for _, job := range jobs {
		results[job.prompt].DFA = job.result.withoutBOS(prompts[job.prompt].body())
	}
	return results, nil
}

func (w *world) featureValues(source *encoding, captured kernels.Buffer, feature int) ([]float32, error) {
	rows, done, err := w.prepare(source, captured)
	if err != nil {
		return nil, err
	}
	defer done()
	return w.values(source, rows, []int{feature})
}

// silenceBOS zeroes every position that holds the BOS, also inside the text: on GPT-2 that
// is the end of a document as well, where features mean nothing.
func (w *world) silenceBOS(p prompt, values []float32) {
	bos, _, has := w.tokenizer.BOS()
	for i, id := range p.ids {
		if has && id == bos {
			values[i] = 0
		}
	}
}

// singleResult puts an answer together from the values of all positions but the first skip.
func (w *world) singleResult(p prompt, values []float32, skip int) SingleResult {
	result := SingleResult{
		Values:  values[skip:],
		Tokens:  w.tokenStrings(p.ids[skip:]),
		Special: w.special(p.ids[skip:]),
	}
	result.Max, result.MaxIndex = peak(result.Values)
	return result
}

func (w *world) singleDirection(ctx context.Context, r SingleRequest) ([]SingleResult, error) {
	prompts, err := w.singlePrompts(r)
	if err != nil {
		return nil, err
	}
	address, err := w.hookAddress(*r.Hook)
	if err != nil {
		return nil, err
	}
	width, err := w.model.PointWidth(address)
	if err != nil {
		return nil, invalid("Hook %s has no row per token: %v", pyrepr.Quote(*r.Hook), err)
	}
	if len(r.Vector) != width {
		return nil, invalid("Vector has length %d, but %s has width %d", len(r.Vector), *r.Hook, width)
	}
	c, err := w.capture(ctx, prompts, func(int) []*model.Tap { return tapsAt([]model.Address{address}) })
	if err != nil {
		return nil, err
	}
	defer c.release()
	results := make([]SingleResult, len(prompts))
	for i, p := range prompts {
		values := projections(w.download(c.at(i, address)), r.Vector)
		if !finite(values) {
			return nil, errNonFinite("the projection on the vector")
		}
		results[i] = w.singleResult(p, values, w.hiddenBOS(p))
	}
	return results, nil
}

// hiddenBOS is how many positions in front a projection leaves out: the BOS that npinf puts
// there. Where the tokenizer itself begins every text with one, clients have always seen it.
func (w *world) hiddenBOS(p prompt) int {
	if w.tokenizer.PrependsBOS() {
		return 0
	}
	return p.body()
}

// hookAddress finds the point a TransformerLens hook name means in this model.
func (w *world) hookAddress(hook string) (model.Address, error) {
	address, err := model.ParseHook(hook)
	if err != nil {
		return address, invalid("%v", err)
	}
	if err := w.model.Check(address); err != nil {
		return address, invalid("Hook %s: %v", pyrepr.Quote(hook), err)
	}
	return address, nil
}

// projections are the dot products of rows as wide as the vector with it.
func projections(rows []float32, vector []float64) []float32 {
	products := make([]float32, len(rows)/len(vector))
	for i := range products {
		sum := 0.0
		for d, x := range rows[i*len(vector) : (i+1)*len(vector)] {
			sum += float64(x) * float64(float32(vector[d]))
		}
		products[i] = float32(sum)
	}
	return products
}
