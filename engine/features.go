package engine

import "context"

// SourceTokens are the strongest features of every token over one source.
type SourceTokens struct {
	Source string
	TopKResult
}

// Features gives the strongest features of every token of a text for the named sources. No
// name means the default source: the one two thirds into the first configured set, where
// features are about meaning rather than spelling or the next token; without a set, the
// neurons of that layer. The BOS is left out.
func (e *Engine) Features(ctx context.Context, text string, sources []string, top int) ([]SourceTokens, error) {
	return serve(ctx, e, func(w *world) ([]SourceTokens, error) {
		if len(sources) == 0 {
			sources = []string{w.catalogue.defaultSource()}
		}
		results := make([]SourceTokens, len(sources))
		for i, source := range sources {
			answer, err := w.topK(ctx, TopKRequest{Prompts: []string{text}, Source: source, K: top, IgnoreBOS: true})
			if err != nil {
				return nil, err
			}
			results[i] = SourceTokens{source, answer[0]}
		}
		return results, nil
	})
}

// defaultSource chooses a source for those who name none.
func (c *catalogue) defaultSource() string {
	ids, _ := c.set(neuronsSet)
	if len(c.sets) > 0 {
		ids = idsOf(c.sets[0])
	}
	return ids[len(ids)*2/3]
}
