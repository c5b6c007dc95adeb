package engine

import (
	"context"

	"npinf/kernels"
	"npinf/model"
)

// ActivationTopK gives the strongest features of one source at every position.
func (e *Engine) ActivationTopK(ctx context.Context, r TopKRequest) ([]TopKResult, error) {
	return serve(ctx, e, func(w *world) ([]TopKResult, error) { return w.topK(ctx, r) })
}

func (w *world) topK(ctx context.Context, r TopKRequest) ([]TopKResult, error) {
	if r.Batch {
		if err := batchSize(r.Prompts, maxBatch); err != nil {
			return nil, err
		}
	}
	e, err := w.catalogue.lookup(r.Source)
	if err != nil {
		return nil, err
	}
	prompts, err := w.prompts(r.Prompts, w.activationLimit(r.Batch))
	if err != nil {
		return nil, err
	}
	results := make([]TopKResult, len(prompts))
	err = w.encodeEach(ctx, e, prompts, func(i int, source *encoding, rows kernels.Buffer) error {
		skip := 0
		if r.IgnoreBOS {
			skip = prompts[i].body()
		}
		k := max(1, min(r.K, source.features))
		var err error
		results[i], err = w.topOfRows(source, rows, prompts[i], skip, k)
		return err
	})
	return results, err
}

// encodeEach captures one source's input on all prompts in one pass and calls encode with
// the prepared rows of each.
func (w *world) encodeEach(ctx context.Context, e entry, prompts []prompt, encode func(i int, source *encoding, rows kernels.Buffer) error) error {
	if err := notEmpty(prompts); err != nil {
		return err
	}
	source, err := w.acquire(ctx, e)
	if err != nil {
		return err
	}
	defer source.release()
	c, err := w.capture(ctx, prompts, func(int) []*model.Tap { return tapsAt([]model.Address{source.address}) })
	if err != nil {
		return err
	}
	defer c.release()
	for i := range prompts {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows, done, err := w.prepare(source, c.at(i, source.address))
		if err != nil {
			return err
		}
		err = encode(i, source, rows)
		done()
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) topOfRows(source *encoding, rows kernels.Buffer, p prompt, skip, k int) (TopKResult, error) {
	positions := make([]TokenFeatures, 0, rows.Rows-skip)
	if skip == rows.Rows {
		return TopKResult{Positions: positions}, nil
	}
	top := w.device.EncodeTopPerRow(w.device.View(rows, skip, rows.Rows-skip, 0, rows.Width), source.source.Encoder(), k)
	for i, features := range top {
		position := skip + i
		listed := make([]FeatureValue, len(features))
		for n, f := range features {
			if !finite([]float32{f.Value}) {
				return TopKResult{}, errNonFinite("the output of source " + source.id)
			}
			listed[n] = FeatureValue{Index: f.Feature, Value: f.Value}
		}
		positions = append(positions, TokenFeatures{
			Position: position,
			Token:    w.tokenizer.TokenString(p.ids[position]),
			Special:  w.tokenizer.IsSpecial(p.ids[position]),
			Features: listed,
		})
	}
	return TopKResult{Positions: positions}, nil
}
