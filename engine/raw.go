package engine

import (
	"context"
	"math/big"
	"slices"
	"strings"

	"npinf/internal/pyrepr"
	"npinf/model"
)

// rawDecimals is how many decimals raw values of a model in half precision keep.
const rawDecimals = 4

// ActivationRaw gives the residual stream after some layers at the last token.
func (e *Engine) ActivationRaw(ctx context.Context, r RawRequest) (RawResult, error) {
	return serve(ctx, e, func(w *world) (RawResult, error) { return w.raw(ctx, r) })
}

func (w *world) raw(ctx context.Context, r RawRequest) (RawResult, error) {
	layers, err := w.checkRaw(r)
	if err != nil {
		return RawResult{}, err
	}
	prompts, err := w.prompts(r.Prompts, w.activationLimit(false))
	if err != nil {
		return RawResult{}, err
	}
	if err := notEmpty(prompts); err != nil {
		return RawResult{}, err
	}
	c, err := w.capture(ctx, prompts, func(i int) []*model.Tap {
		taps := make([]*model.Tap, len(layers))
		for n, layer := range layers {
			taps[n] = &model.Tap{Address: residual(layer), Rows: []int{len(prompts[i].ids) - 1}, Head: -1}
		}
		return taps
	})
	if err != nil {
		return RawResult{}, err
	}
	defer c.release()
	result := RawResult{DType: w.dtype, Device: w.device.Name(), Prompts: make([]RawPrompt, len(prompts))}
	for i, p := range prompts {
		if result.Prompts[i], err = w.rawPrompt(c, i, p, layers); err != nil {
			return RawResult{}, err
		}
	}
	return result, nil
}

func residual(layer int) model.Address { return model.Address{Point: model.ResidPost, Layer: layer} }

// checkRaw checks everything but the texts and returns the layers, ascending, each once.
func (w *world) checkRaw(r RawRequest) ([]int, error) {
	if r.HookPoint != "residual_stream" {
		return nil, invalid("Unsupported hook_point %s. Only 'residual_stream' is supported.", pyrepr.Quote(r.HookPoint))
	}
	if r.Type != "final_output_token" {
		return nil, invalid("Unsupported type %s. Only 'final_output_token' is supported.", pyrepr.Quote(r.Type))
	}
	if err := batchSize(r.Prompts, maxRawBatch); err != nil {
		return nil, err
	}
	layers, offenders := w.layersOf(r.Layers)
	if len(offenders) > 0 {
		return nil, invalid("Layers [%s] are out of range; this model has %d layers (0-%d).",
			strings.Join(offenders, ", "), w.info.Layers, w.info.Layers-1)
	}
	return layers, nil
}

// layersOf reads layer numbers, ascending and each once, and lists those that the model does
// not have as they were written. No numbers means every layer.
func (w *world) layersOf(digits []string) (layers []int, offenders []string) {
	if len(digits) == 0 {
		for layer := range w.info.Layers {
			layers = append(layers, layer)
		}
		return layers, nil
	}
	var wrong []*big.Int
	for _, text := range digits {
		if layer, ok := below(text, w.info.Layers); ok {
			layers = append(layers, layer)
		} else if number, ok := pythonInt(text); ok {
			wrong = append(wrong, number)
		}
	}
	slices.Sort(layers)
	slices.SortFunc(wrong, (*big.Int).Cmp)
	for _, number := range slices.CompactFunc(wrong, func(a, b *big.Int) bool { return a.Cmp(b) == 0 }) {
		offenders = append(offenders, number.String())
	}
	return slices.Compact(layers), offenders
}

func (w *world) rawPrompt(c *capture, i int, p prompt, layers []int) (RawPrompt, error) {
	result := RawPrompt{IDs: p.ids, Strings: w.tokenStrings(p.ids), Layers: make([]LayerRows, len(layers))}
	for n, layer := range layers {
		row := w.download(c.at(i, residual(layer)))
		if !finite(row) {
			return result, errNonFinite("the residual stream")
		}
		values := make([]float64, len(row))
		for d, x := range row {
			values[d] = float64(x)
			if w.dtype != "float32" {
				values[d] = round(values[d], rawDecimals)
			}
		}
		result.Layers[n] = LayerRows{Layer: layer, Positions: []int{len(p.ids) - 1}, Values: [][]float64{values}}
	}
	return result, nil
}
