package engine

import (
	"strings"

	"npinf/lens"
)

// maxPieces is how many tokens behind its first one a character may be made of.
const maxPieces = 8

// fragment reports whether a text is not a whole character: its bytes alone are no text.
func fragment(text string) bool { return strings.ContainsRune(text, '\uFFFD') }

// decode is the text of some tokens together.
func (w *world) decode(ids []int) string { return w.tokenizer.Decode(ids, false) }

// display makes the positions of a prompt.
func (w *world) display(ids []int, spans []Span) []LensPosition {
	positions := make([]LensPosition, len(ids))
	for i, id := range ids {
		positions[i] = LensPosition{Position: i, ID: id, Text: w.tokenizer.TokenString(id)}
		if spans != nil {
			positions[i].Span = spans[i]
		}
	}
	for i := 0; i < len(positions); {
		i += join(positions[i:], w.decode)
	}
	return positions
}

// join finds out how many positions in front show one character. Where several do, each shows
// the whole of it. A piece that never becomes a character stays as it is.
func join(positions []LensPosition, text func(ids []int) string) int {
	var ids []int
	for n, p := range positions {
		if !fragment(p.Text) || n > maxPieces {
			break
		}
		ids = append(ids, p.ID)
		whole := text(ids)
		if fragment(whole) {
			continue
		}
		for i := range positions[:n+1] {
			positions[i].Text, positions[i].Continuation = whole, i > 0
		}
		return n + 1
	}
	return 1
}

// repair does for generated tokens what display does for a prompt. It holds readings back as
// long as they may still become a character.
type repair struct {
	text    func(ids []int) string
	emit    func(*LensReading) error
	waiting []*LensReading
}

func (r *repair) push(reading *LensReading) error {
	r.waiting = append(r.waiting, reading)
	return r.settle(false)
}

func (r *repair) flush() error { return r.settle(true) }

// settle emits what is certain, or everything at the end.
func (r *repair) settle(end bool) error {
	for len(r.waiting) > 0 {
		positions := make([]LensPosition, len(r.waiting))
		open := !end && len(positions) <= maxPieces
		for i, w := range r.waiting {
			positions[i] = w.LensPosition
			open = open && fragment(w.Text)
		}
		count := join(positions, r.text)
		if open && count == 1 && fragment(positions[0].Text) {
			return nil
		}
		for i := range count {
			r.waiting[i].LensPosition = positions[i]
			if err := r.emit(r.waiting[i]); err != nil {
				return err
			}
		}
		r.waiting = r.waiting[count:]
	}
	return nil
}

// choices are what one position shows, by type and layer.
func (j *lensJob) choices(tokens [][][]lens.Token, position int) [][][]LensChoice {
	all := make([][][]LensChoice, len(j.shown))
	for kind, reads := range j.shown {
		all[kind] = make([][]LensChoice, len(reads))
		for i, read := range reads {
			for _, token := range tokens[read][position] {
				all[kind][i] = append(all[kind][i], LensChoice{j.texts.Texts[token.ID], round(token.Probability, 4)})
			}
		}
	}
	return all
}
