package engine

import (
	"context"
	"math"
	"path/filepath"

	"npinf/chat"
	"npinf/model"
)

// offerPersona reads the persona asset of the model, where there is one. It is an extra:
// what is wrong with it is for the log.
func (e *Engine) offerPersona(w *world) {
	id := firstOf(e.config.OverrideModelID, e.config.ModelID)
	if e.config.PersonaDir == "" || id == "" {
		return
	}
	if e.config.Registry != nil {
		id, _ = e.config.Registry.HubID(id)
	}
	if !filepath.IsLocal(id) {
		return // a folder, not an id
	}
	var err error
	if w.persona, err = loadPersona(filepath.Join(e.config.PersonaDir, id), w.info.Width, w.info.Layers); err != nil {
		e.config.Logger.Warn("the persona asset is not used", "model", id, "because", err)
	}
}

// snippetLength is how much of a message an answer repeats, in code points.
const snippetLength = 120

// axis places the assistant messages of every output on the persona axes: as the model reads
// the conversation, and for a steered one also under steering, which spares no token there.
// The result is nil where the model has no axis.
func (w *world) axis(ctx context.Context, t *talk, courses []course, operations []operation) ([]AxisResult, error) {
	if w.persona == nil {
		return nil, nil
	}
	results := make([]AxisResult, len(courses))
	for i, c := range courses {
		messages := append(t.rendered[:len(t.rendered):len(t.rendered)], Message{Role: assistantRole, Content: c.text})
		ids, ends, err := w.chat.Partition(ctx, messages, chat.Arguments{})
		if err != nil {
			return nil, errTemplate(err)
		}
		if err := w.known(ids); err != nil {
			return nil, err
		}
		plain, err := w.messageMeans(ctx, ids, ends, nil)
		if err != nil {
			return nil, err
		}
		var steered [][]float32
		if c.kind == Steered {
			if steered, err = w.messageMeans(ctx, ids, ends, edits(operations, nil)); err != nil {
				return nil, err
			}
		}
		results[i] = w.persona.result(c.kind, messages, plain, steered)
	}
	return results, nil
}

// messageMeans are the means of the residual over each message's tokens, [messages][width].
func (w *world) messageMeans(ctx context.Context, ids, ends []int, edits []model.Edit) ([][]float32, error) {
	tap := &model.Tap{Address: model.Address{Point: model.ResidPost, Layer: w.persona.layer}, Head: -1}
	if err := w.model.Forward(ctx, []*model.Sequence{{Tokens: ids, Taps: []*model.Tap{tap}, Edits: edits}}); err != nil {
		return nil, err
	}
	rows := w.download(tap.Out)
	w.device.Release(tap.Out)
	if !finite(rows) {
		return nil, errNonFinite("the residual of the persona axis")
	}
	means, start := make([][]float32, len(ends)), 0
	for k, end := range ends {
		means[k] = mean(rows[start*w.info.Width:end*w.info.Width], w.info.Width)
		start = end
	}
	return means, nil
}

// mean is the mean of rows, zeros for none.
func mean(rows []float32, width int) []float32 {
	sums := make([]float64, width)
	for i, x := range rows {
		sums[i%width] += float64(x)
	}
	out := make([]float32, width)
	for d, sum := range sums {
		out[d] = float32(sum / math.Max(1, float64(len(rows)/width)))
	}
	return out
}

// result picks the assistant's messages. steered is nil where nothing was steered.
func (p *persona) result(kind SteerType, messages []Message, plain, steered [][]float32) AxisResult {
	result := AxisResult{Type: kind, Titles: p.titles, Turns: []AxisTurn{}}
	for k, m := range messages {
		if m.Role != assistantRole {
			continue
		}
		turn := AxisTurn{Values: p.project(plain[k]), Snippet: snippet(m.Content)}
		if steered != nil {
			turn.Steered = p.project(steered[k])
		}
		result.Turns = append(result.Turns, turn)
	}
	return result
}

// project gives the values of a mean residual on the axes.
func (p *persona) project(row []float32) []float32 {
	x := make([]float64, len(row))
	length := 0.0
	for d := range row {
		x[d] = float64(row[d] - p.scalerMean[d])
		length += x[d] * x[d]
	}
	scale := 1.0
	if p.scalerEps > 0 {
		scale = 1 / math.Max(math.Sqrt(length), p.scalerEps)
	}
	values := make([]float32, len(p.components))
	for i, component := range p.components {
		sum := 0.0
		for d := range x {
			sum += (x[d]*scale - float64(p.pcaMean[d])) * float64(component[d])
		}
		values[i] = float32(sum)
	}
	return values
}

func snippet(content string) string {
	points := []rune(content)
	if len(points) <= snippetLength {
		return content
	}
	return string(points[:snippetLength]) + "..."
}
