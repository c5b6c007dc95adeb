package model

import (
	"context"
	"fmt"
	"math"
	"npinf/kernels"
	"sort"
	"strconv"
)

func (c *checkpoint) checkAbsent() {
	layers := c.model.Info().Layers
	for key, points := range c.expected.Absent {
		for layer := range layers {
			if key != "all" && key != strconv.Itoa(layer) {
				continue
			}
			for _, point := range points {
				if err := c.model.Check(Address{Point(point), layer}); err == nil {
					c.t.Errorf("%s.%d is served, but the family has no such point", point, layer)
				}
			}
		}
	}
}

// lastLogits runs tokens with a cache and returns the last row's logits.
func (c *checkpoint) lastLogits(cache *Cache, tokens []int, edits []Edit) []float32 {
	s := &Sequence{Tokens: tokens, Cache: cache, Want: LastLogits, Edits: edits}
	if err := c.model.Forward(context.Background(), []*Sequence{s}); err != nil {
		c.t.Fatal(err)
	}
	return c.download(s.Logits)
}

func (c *checkpoint) download(b kernels.Buffer) []float32 {
	values := make([]float32, b.Rows*b.Width)
	c.device.Download(values, b)
	c.device.Release(b)
	return values
}

func argmax(values []float32) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

func (c *checkpoint) checkTop5() {
	for _, top := range c.expected.Top5 {
		logits := c.lastLogits(nil, c.ids(top.Seq), nil)
		order := make([]int, len(logits))
		sum := 0.0
		for i := range order {
			order[i] = i
			sum += math.Exp(float64(logits[i]))
		}
		sort.SliceStable(order, func(a, b int) bool { return logits[order[a]] > logits[order[b]] })
		for i, id := range top.IDs {
			logprob := float64(logits[order[i]]) - math.Log(sum)
			if order[i] != id || !(math.Abs(logprob-top.Logprobs[i]) < 1e-3) {
				c.t.Errorf("%s: choice %d is %d (%.5f), want %d (%.5f)", top.Seq, i, order[i], logprob, id, top.Logprobs[i])
			}
		}
	}
}

// checkGreedy decodes with a cache, the prompt at once and in chunks of every size to 4.
func (c *checkpoint) checkGreedy() {
	for _, g := range c.expected.Greedy {
		prompt := c.ids(g.Prompt)
		for _, chunk := range []int{len(prompt), 1, 3} {
			got := c.greedy(prompt, chunk, len(g.Tokens), nil)
			if fmt.Sprint(got) != fmt.Sprint(g.Tokens) {
				c.t.Errorf("greedy after %s in chunks of %d: got %v, want %v", g.Prompt, chunk, got, g.Tokens)
			}
		}
	}
}

func (c *checkpoint) greedy(prompt []int, chunk, count int, edits []Edit) []int {
	cache := c.model.NewCache(0)
	defer cache.Release()
	var logits []float32
	for start := 0; start < len(prompt); start += chunk {
		logits = c.lastLogits(cache, prompt[start:min(start+chunk, len(prompt))], edits)
	}
	var tokens []int
	for {
		tokens = append(tokens, argmax(logits))
		if len(tokens) == count {
			return tokens
		}
		logits = c.lastLogits(cache, tokens[len(tokens)-1:], edits)
	}
}

// checkChunks runs each sequence in two chunks behind a cache.
func (c *checkpoint) checkChunks() {
	for _, s := range c.expected.Sequences {
		cache := c.model.NewCache(0)
		cache.Expect(len(s.IDs))
		cut := len(s.IDs) / 3
		first := &Sequence{Tokens: s.IDs[:cut], Cache: cache, Want: AllLogits}
		second := &Sequence{Tokens: s.IDs[cut:], Cache: cache, Want: AllLogits}
		mustForward(c.t, c.model, first)
		mustForward(c.t, c.model, second)
		all := append(c.download(first.Logits), c.download(second.Logits)...)
		joined := c.device.Upload(len(s.IDs), c.model.Info().Vocabulary, all)
		c.compare("chunks", s.Name+"/logits", joined)
		c.device.Release(joined)
		cache.Release()
	}
}

// checkRagged runs all sequences in one batch, some with a cache and some reading early
// layers only, and expects what each gives alone.
func (c *checkpoint) checkRagged() {
	var batch []*Sequence
	for i, s := range c.expected.Sequences {
		sequence := &Sequence{Tokens: s.IDs, Want: AllLogits}
		if i%2 == 1 {
			sequence.Cache = c.model.NewCache(0)
		}
		early := &Tap{Address: Address{ResidPost, 0}}
		batch = append(batch, &Sequence{Tokens: s.IDs, Taps: []*Tap{early}}, sequence)
	}
	if err := c.model.Forward(context.Background(), batch); err != nil {
		c.t.Fatal(err)
	}
	for i, s := range c.expected.Sequences {
		tap, logits := batch[2*i].Taps[0].Out, batch[2*i+1].Logits
		c.compare("ragged batch", s.Name+"/blocks.0.resid_post", tap)
		c.compare("ragged batch", s.Name+"/logits", logits)
		c.device.Release(tap)
		c.device.Release(logits)
		if cache := batch[2*i+1].Cache; cache != nil {
			cache.Release()
		}
	}
}

// checkSteering applies a case's operations as edits.
func (c *checkpoint) checkSteering(s *steeringCase) {
	prompt, edits := c.ids(s.Prompt), c.steeringEdits(s)
	sequence := &Sequence{Tokens: prompt, Want: AllLogits, Edits: edits}
	if err := c.model.Forward(context.Background(), []*Sequence{sequence}); err != nil {
		c.t.Errorf("%s: %v", s.Name, err)
		return
	}
	c.compare("steered logits", s.Name+"/logits", sequence.Logits)
	c.device.Release(sequence.Logits)
	if s.Greedy != nil {
		if got := c.greedy(prompt, len(prompt), len(s.Greedy), edits); fmt.Sprint(got) != fmt.Sprint(s.Greedy) {
			c.t.Errorf("%s: steered greedy %v, want %v", s.Name, got, s.Greedy)
		}
	}
}

func (c *checkpoint) steeringEdits(s *steeringCase) (edits []Edit) {
	excluded := map[int]bool{}
	for _, position := range s.Excluded {
		excluded[position] = true
	}
	for _, op := range s.Ops {
		vector, err := c.tensors[op.Vector].Floats()
		if err != nil {
			c.t.Fatal(err)
		}
		if op.Normalize || op.Method != "additive" {
			vector = unit(vector)
		}
		edits = append(edits, op.edit(vector, excluded))
	}
	return edits
}

// edit makes an operation an Edit that works in host memory.
func (op steeringOp) edit(vector []float32, excluded map[int]bool) Edit {
	return Edit{Address: Address{Point(op.Point), op.Layer},
		Apply: func(device kernels.Device, rows kernels.Buffer, positions []int) {
			values := valuesOf(device, rows)
			for r, position := range positions {
				row := values[r*rows.Width : (r+1)*rows.Width]
				if amount := op.amount(dot(row, vector)); !excluded[position] {
					for i := range row {
						row[i] += amount * vector[i]
					}
				}
			}
			changed := device.Upload(rows.Rows, rows.Width, values)
			device.Copy(rows, changed)
			device.Release(changed)
		}}
}

// amount is what of the vector a row with the given projection on it gets.
func (op steeringOp) amount(projection float32) float32 {
	switch op.Method {
	case "orthogonal":
		return float32(op.Coeff-1) * projection
	case "projection_cap":
		capped := projection
		if op.Min != nil {
			capped = max(capped, float32(*op.Min))
		}
		if op.Max != nil {
			capped = min(capped, float32(*op.Max))
		}
		return capped - projection
	}
	return float32(op.Coeff)
}

func dot(a, b []float32) float32 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return float32(sum)
}

func unit(v []float32) []float32 {
	length := math.Sqrt(float64(dot(v, v)))
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(float64(v[i]) / length)
	}
	return out
}
