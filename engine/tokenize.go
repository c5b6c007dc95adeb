package engine

import "context"

// Tokenize gives the tokens of a text, with one BOS in front unless the request declines it.
func (e *Engine) Tokenize(ctx context.Context, r TokenizeRequest) (Tokenized, error) {
	return serve(ctx, e, func(w *world) (Tokenized, error) { return w.tokenize(r, e.config.TokenLimit) })
}

func (w *world) tokenize(r TokenizeRequest, most int) (Tokenized, error) {
	withBOS := r.PrependBOS == nil || *r.PrependBOS
	p, err := w.tokens(r.Text, withBOS, limit{float64(most), false})
	if err != nil {
		return Tokenized{}, err
	}
	result := Tokenized{IDs: p.ids, Strings: w.tokenStrings(p.ids), PrependBOS: withBOS && p.bos}
	if len(p.ids) == 0 { // the empty text is shown as one empty piece
		result.IDs, result.Strings = []int{}, []string{""}
	}
	return result, nil
}
