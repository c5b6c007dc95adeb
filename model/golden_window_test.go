package model

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"npinf/internal/golden"
)

// hasWindow reports whether any layer of a model sees a window only.
func (m *Model) hasWindow() bool {
	return slices.ContainsFunc(m.arch.blocks, func(b block) bool { return b.attention.window > 0 })
}

// TestGoldenWindows decodes greedily over many windows with every checkpoint that has some, and
// finds the same tokens in one pass without a cache.
func TestGoldenWindows(t *testing.T) {
	configs, err := filepath.Glob(filepath.Join(golden.Dir(t, "models"), "*", "*", "config.json"))
	if err != nil || len(configs) == 0 {
		t.Fatalf("%v, %v", configs, err)
	}
	device, checked := cpu(t), 0
	for _, file := range configs {
		folder := filepath.Dir(file)
		if _, err := Plan(context.Background(), dirFiles(folder)); err != nil {
			continue // TestGoldenModels says which
		}
		c := openCheckpoint(t, folder, device)
		if !c.model.hasWindow() || len(c.expected.Greedy) == 0 {
			continue
		}
		checked++
		prompt := c.ids(c.expected.Greedy[0].Prompt)
		count := min(3*windowSlack, c.model.Info().MaxPositions-len(prompt))
		tokens := append(slices.Clone(prompt), c.greedy(prompt, 3, count, nil)...)
		whole := &Sequence{Tokens: tokens[:len(tokens)-1], Want: AllLogits}
		mustForward(t, c.model, whole)
		logits, width := c.download(whole.Logits), c.model.Info().Vocabulary
		for i := len(prompt); i < len(tokens); i++ {
			if best := argmax(logits[(i-1)*width : i*width]); best != tokens[i] {
				t.Errorf("%s: token %d of %d is %d, without a cache %d", folder, i, len(tokens), tokens[i], best)
				break
			}
		}
	}
	t.Logf("%d checkpoints with windows", checked)
	if checked < 10 {
		t.Errorf("%d checkpoints have windows", checked)
	}
}
