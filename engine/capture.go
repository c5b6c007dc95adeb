package engine

import (
	"context"

	"npinf/kernels"
	"npinf/model"
)

// capture holds what one forward pass over all prompts of a request read.
type capture struct {
	device    kernels.Device
	sequences []*model.Sequence
}

// capture runs all prompts of a request through the model once, only as deep as their taps
// need. taps lists what is read of prompt i.
func (w *world) capture(ctx context.Context, prompts []prompt, taps func(i int) []*model.Tap) (*capture, error) {
	c := &capture{device: w.device, sequences: make([]*model.Sequence, len(prompts))}
	for i, p := range prompts {
		c.sequences[i] = &model.Sequence{Tokens: p.ids, Taps: taps(i)}
	}
	if err := w.model.Forward(ctx, c.sequences); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// at gives the rows of a prompt at an address that was tapped, or the absent buffer.
func (c *capture) at(prompt int, address model.Address) kernels.Buffer {
	for _, tap := range c.sequences[prompt].Taps {
		if tap.Address == address {
			return tap.Out
		}
	}
	return kernels.Buffer{}
}

// release gives back all rows.
func (c *capture) release() {
	for _, sequence := range c.sequences {
		for _, tap := range sequence.Taps {
			if !tap.Out.IsZero() {
				c.device.Release(tap.Out)
				tap.Out = kernels.Buffer{}
			}
		}
	}
}

// tapsAt makes one tap per different address, so that sources of one point share its rows.
func tapsAt(addresses []model.Address) []*model.Tap {
	var taps []*model.Tap
	seen := map[model.Address]bool{}
	for _, address := range addresses {
		if !seen[address] {
			seen[address] = true
			taps = append(taps, &model.Tap{Address: address, Head: -1})
		}
	}
	return taps
}
