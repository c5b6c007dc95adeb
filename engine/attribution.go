package engine

import (
	"context"
	"slices"

	"npinf/model"
)

// Direct feature attribution (DFA) splits the pre-activation of a feature that reads z, the
// concatenated heads, into what each source position contributed through attention:
//
//	dfa[s] = Σ_h probs[h, target, s] · Σ_d value[s, kv(h), d] · direction[h·dim + d]
//
// direction is the feature's encoder row; biases and input scaling are left out.

// attributionJob asks for the attribution of one feature at one position of a prompt.
type attributionJob struct {
	prompt, layer int
	target        int // position in the prompt
	direction     []float32
	result        *Attribution // filled in
}

// patternBytes is how much memory attention patterns of a request may take to be captured
// together with everything else. Longer prompts get a second pass that reads only the rows
// that are needed.
const patternBytes = 64 << 20

func patternAddress(layer int) model.Address {
	return model.Address{Point: model.AttnProbs, Layer: layer}
}

func valuesAddress(layer int) model.Address {
	return model.Address{Point: model.HeadValues, Layer: layer}
}

// attributionAddresses lists what DFA needs of the layers of some sources when whole
// patterns are affordable, and nothing otherwise.
func (w *world) attributionAddresses(sources []facts, prompts []prompt) []model.Address {
	var addresses []model.Address
	for _, known := range sources {
		if known.attribution {
			addresses = append(addresses, patternAddress(known.address.Layer), valuesAddress(known.address.Layer))
		}
	}
	size := 0
	for _, p := range prompts {
		size += len(addresses) / 2 * w.info.Heads * len(p.ids) * len(p.ids) * 4
	}
	if size > w.patternBytes {
		return nil
	}
	return addresses
}

// attribute computes the jobs of a request. c is what the request captured; where the
// patterns are not in it, a second pass reads them.
func (w *world) attribute(ctx context.Context, prompts []prompt, c *capture, jobs []*attributionJob) error {
	if len(jobs) == 0 {
		return nil
	}
	row := func(j *attributionJob) int { return j.target }
	if c.at(jobs[0].prompt, patternAddress(jobs[0].layer)).IsZero() {
		targets := targetsOf(jobs)
		second, err := w.capturePatterns(ctx, prompts, targets)
		if err != nil {
			return err
		}
		defer second.release()
		c, row = second, func(j *attributionJob) int {
			return slices.Index(targets[j.prompt][j.layer], j.target)
		}
	}
	for _, job := range jobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.attributeOne(c, job, row(job)); err != nil {
			return err
		}
	}
	return nil
}

// targetsOf collects the target rows by prompt and layer, each once.
func targetsOf(jobs []*attributionJob) map[int]map[int][]int {
	targets := map[int]map[int][]int{}
	for _, job := range jobs {
		layers := targets[job.prompt]
		if layers == nil {
			layers = map[int][]int{}
			targets[job.prompt] = layers
		}
		if !slices.Contains(layers[job.layer], job.target) {
			layers[job.layer] = append(layers[job.layer], job.target)
		}
	}
	return targets
}

// capturePatterns reads the attention of the target rows. Prompts without targets run along
// with nothing to read.
func (w *world) capturePatterns(ctx context.Context, prompts []prompt, targets map[int]map[int][]int) (*capture, error) {
	return w.capture(ctx, prompts, func(i int) []*model.Tap {
		var taps []*model.Tap
		for layer, rows := range targets[i] {
			taps = append(taps,
				&model.Tap{Address: patternAddress(layer), Rows: rows, Head: -1},
				&model.Tap{Address: valuesAddress(layer), Head: -1})
		}
		return taps
	})
}

// attributeOne computes one attribution from a capture, in which row is the target's row of
// each head.
func (w *world) attributeOne(c *capture, job *attributionJob, row int) error {
	pattern := c.at(job.prompt, patternAddress(job.layer)) // [heads·rows, keys]
	heads := w.info.Heads
	rows := make([]int, heads)
	for h := range rows {
		rows[h] = h*(pattern.Rows/heads) + row
	}
	ofTarget := w.device.NewBuffer(heads, pattern.Width)
	defer w.device.Release(ofTarget)
	w.device.Gather(ofTarget, pattern, rows)
	values := c.at(job.prompt, valuesAddress(job.layer)) // [keys, kv heads · dim]
	result := directAttribution(w.download(ofTarget), w.download(values), job.direction, heads, pattern.Width)
	if !finite(result) {
		return errNonFinite("the feature attribution")
	}
	largest, _ := peak(result)
	*job.result = Attribution{Values: result, Max: largest, Target: job.target}
	return nil
}

// directAttribution is the sum above for one target: probs [heads, keys], values
// [keys, kv heads · dim], direction [heads · dim]; consecutive heads share a kv head.
func directAttribution(probs, values, direction []float32, heads, keys int) []float32 {
	dim := len(direction) / heads
	width := len(values) / keys
	shared := heads / (width / dim)
	result := make([]float32, keys)
	for s := range result {
		sum := 0.0
		for h := range heads {
			value := values[s*width+h/shared*dim:][:dim]
			dot := 0.0
			for d, x := range direction[h*dim : (h+1)*dim] {
				dot += float64(x) * float64(value[d])
			}
			sum += float64(probs[h*keys+s]) * dot
		}
		result[s] = float32(sum)
	}
	return result
}

// withoutBOS drops the positions in front that an answer leaves out. The target moves along.
func (a *Attribution) withoutBOS(positions int) *Attribution {
	values := a.Values[positions:]
	largest, _ := peak(values)
	return &Attribution{Values: values, Max: largest, Target: a.Target - positions}
}
