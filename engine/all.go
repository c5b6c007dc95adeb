package engine

import (
	"context"

	"npinf/kernels"
	"npinf/model"
)

// ActivationAll gives the features of a source set that fire strongest on each prompt.
func (e *Engine) ActivationAll(ctx context.Context, r AllRequest) ([]AllResult, error) {
	return serve(ctx, e, func(w *world) ([]AllResult, error) { return w.all(ctx, r) })
}

func (w *world) all(ctx context.Context, r AllRequest) ([]AllResult, error) {
	entries, prompts, err := w.checkAll(r)
	if err != nil {
		return nil, err
	}
	sources := make([]facts, len(entries))
	addresses := make([]model.Address, len(entries))
	for i, e := range entries {
		if sources[i], err = w.describe(ctx, e); err != nil {
			return nil, err
		}
		addresses[i] = sources[i].address
	}
	addresses = append(addresses, w.attributionAddresses(sources, prompts)...)
	c, err := w.capture(ctx, prompts, func(int) []*model.Tap { return tapsAt(addresses) })
	if err != nil {
		return nil, err
	}
	defer c.release()
	rankings := make([]ranking, len(prompts))
	for i := range rankings {
		rankings[i].most = min(r.Results, maxResults)
	}
	for order, e := range entries {
		if err := w.rankSource(ctx, r, prompts, c, rankings, order, e); err != nil {
			return nil, err
		}
	}
	return w.allResults(ctx, prompts, c, rankings)
}

// checkAll checks a request in the order of the errors clients know.
func (w *world) checkAll(r AllRequest) ([]entry, []prompt, error) {
	if r.Batch {
		if err := batchSize(r.Prompts, maxBatch); err != nil {
			return nil, nil, err
		}
	}
	ids, known := w.catalogue.set(r.SourceSet)
	if !known {
		return nil, nil, invalid("Invalid source set")
	}
	prompts, err := w.prompts(r.Prompts, w.activationLimit(r.Batch))
	if err != nil {
		return nil, nil, err
	}
	if err := notEmpty(prompts); err != nil {
		return nil, nil, err
	}
	for _, p := range prompts {
		if err := checkSortTokens(r.SortTokens, len(p.ids)); err != nil {
			return nil, nil, err
		}
	}
	if len(r.Sources) > 0 {
		ids = r.Sources
	}
	entries, err := w.lookupAll(ids)
	if err != nil {
		return nil, nil, err
	}
	if r.Results < 0 {
		return nil, nil, invalid("The number of results must not be negative, but is %d", r.Results)
	}
	return entries, prompts, nil
}

func checkSortTokens(positions []int, tokens int) error {
	for _, position := range positions {
		if position < 0 || position >= tokens {
			return invalid("Sort token index %d is out of range: the prompt has %d tokens", position, tokens)
		}
	}
	return nil
}

// lookupAll finds the sources a request names, each once.
func (w *world) lookupAll(ids []string) ([]entry, error) {
	var entries []entry
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		e, err := w.catalogue.lookup(id)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// rankSource merges the features of one source into the rankings of all prompts. The source
// is only held meanwhile, so that a set may be larger than what fits in memory.
func (w *world) rankSource(ctx context.Context, r AllRequest, prompts []prompt, c *capture, rankings []ranking, order int, e entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	source, err := w.acquire(ctx, e)
	if err != nil {
		return err
	}
	defer source.release()
	for i, p := range prompts {
		rows, done, err := w.prepare(source, c.at(i, source.address))
		if err != nil {
			return err
		}
		options := kernels.PeakOptions{Top: rankings[i].most, SortRows: r.SortTokens}
		if r.IgnoreBOS && p.bos {
			options.ZeroRows = make([]bool, len(p.ids))
			options.ZeroRows[0] = true
		}
		err = w.rankPrompt(source, rows, options, &rankings[i], order)
		done()
		if err != nil {
			return err
		}
	}
	return nil
}

// rankPrompt merges the features of one source into one ranking and computes the values of
// those that got in.
func (w *world) rankPrompt(source *encoding, rows kernels.Buffer, options kernels.PeakOptions, ranks *ranking, order int) error {
	if options.Top == 0 {
		return nil
	}
	entered := ranks.merge(source.id, order, w.device.EncodePeaks(rows, source.source.Encoder(), options))
	if len(entered) == 0 {
		return nil
	}
	features := make([]int, len(entered))
	for i, candidate := range entered {
		features[i] = candidate.Index
	}
	values, err := w.values(source, rows, features)
	if err != nil {
		return err
	}
	for i, candidate := range entered {
		candidate.fill(column(values, len(features), i), options)
		if source.attribution {
			candidate.layer = source.address.Layer
			if candidate.direction, err = source.source.EncoderRow(w.device, candidate.Index); err != nil {
				return err
			}
		}
	}
	return nil
}

// column copies one column out of rows of the given width.
func column(rows []float32, width, at int) []float32 {
	values := make([]float32, len(rows)/width)
	for i := range values {
		values[i] = rows[i*width+at]
	}
	return values
}

// fill completes a candidate with its values at all positions. Its key is taken from them,
// so that the answer is in the order of the numbers it shows.
func (c *candidate) fill(values []float32, options kernels.PeakOptions) {
	for i := range values {
		if options.ZeroRows != nil && options.ZeroRows[i] {
			values[i] = 0
		}
	}
	c.Values = values
	c.Max, c.MaxIndex = peak(values)
	c.key = c.Max
	if len(options.SortRows) > 0 {
		for _, position := range options.SortRows {
			c.Sum += values[position]
		}
		c.key = c.Sum
	}
}

// allResults puts the answers together, attributions included.
func (w *world) allResults(ctx context.Context, prompts []prompt, c *capture, rankings []ranking) ([]AllResult, error) {
	results := make([]AllResult, len(prompts))
	var jobs []*attributionJob
	for i, p := range prompts {
		rankings[i].sort()
		results[i] = AllResult{Tokens: w.tokenStrings(p.ids), Features: make([]FeatureActivation, len(rankings[i].candidates))}
		for n, candidate := range rankings[i].candidates {
			if candidate.direction != nil {
				candidate.DFA = &Attribution{}
				jobs = append(jobs, &attributionJob{prompt: i, layer: candidate.layer, target: candidate.MaxIndex,
					direction: candidate.direction, result: candidate.DFA})
			}
			results[i].Features[n] = candidate.FeatureActivation
		}
	}
	return results, w.attribute(ctx, prompts, c, jobs)
}
