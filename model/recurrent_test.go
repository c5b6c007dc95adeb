package model

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"npinf/kernels"
)

// TestRecurrentCache runs a prompt whole and in chunks; a pass that fails in between must
// leave the states as they were.
func TestRecurrentCache(t *testing.T) {
	device := cpu(t)
	m := loadSmall(t, smallHybrid, device)
	whole := &Sequence{Tokens: somePrompt, Want: AllLogits}
	mustForward(t, m, whole)
	want := valuesOf(device, whole.Logits)

	cache := m.NewCache(0)
	first := &Sequence{Tokens: somePrompt[:4], Cache: cache, Want: AllLogits}
	mustForward(t, m, first)
	ctx, cancel := context.WithCancel(context.Background())
	failing := &Sequence{Tokens: []int{1, 2, 3}, Cache: cache, Want: LastLogits,
		Edits: []Edit{{Address: Address{ResidPost, 1}, Apply: func(kernels.Device, kernels.Buffer, []int) { cancel() }}}}
	if err := m.Forward(ctx, []*Sequence{failing}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	second := &Sequence{Tokens: somePrompt[4:], Cache: cache, Want: AllLogits}
	mustForward(t, m, &Sequence{Tokens: []int{9}}, second)
	// The norm of a head's result magnifies the rounding of another batch; a lost state is worth 1.
	within(t, "chunks", slices.Concat(valuesOf(device, first.Logits), valuesOf(device, second.Logits)), want, 1e-3)

	if cache.Truncate(2) || !cache.Truncate(len(somePrompt)) || cache.Len() != len(somePrompt) {
		t.Errorf("a linear attention went back; the cache holds %d", cache.Len())
	}
	if cache.Bytes() == 0 {
		t.Error("states take no memory")
	}
	cache.Release()
	again := &Sequence{Tokens: somePrompt, Cache: cache, Want: AllLogits}
	mustForward(t, m, again)
	near(t, "after Release", valuesOf(device, again.Logits), want)
}

// TestScan compares one head of the delta rule with the rule written for two steps.
func TestScan(t *testing.T) {
	a := &recurrent{keyHeads: 1, valueHeads: 1, keyDim: 1, valueDim: 1, kernel: 1, logRate: []float32{0}, timeBias: []float32{0.5}}
	state := a.stateAfter(nil, 0)
	// With one dimension, q and k have length one: only their signs matter.
	rows := []float32{2, 3, 5, 1, -4, 7} // q k v, twice
	got := a.scan(rows, []float32{0, 1}, []float32{0, 2}, state)
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	memory := 5 * sigmoid(0)
	first := memory
	memory *= math.Exp(-math.Log1p(math.Exp(2.5)))
	memory -= (7 + memory) * sigmoid(1)
	for i, want := range []float64{first, memory} {
		if !(math.Abs(float64(got[i])-want) < 1e-5) {
			t.Errorf("step %d gives %g, want %g", i, got[i], want)
		}
	}
}

func TestConvolve(t *testing.T) {
	a := &recurrent{keyHeads: 1, valueHeads: 1, keyDim: 1, valueDim: 1, kernel: 2, conv: []float32{0, 1, 1, 0, 2, -1}}
	state := a.stateAfter(nil, 0)
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	rows := []float32{1, 2, 3, 4, 5, 6}
	want := []float64{1, 0, -3, 4, 2, 2*3 - 6}
	for step := range 2 { // one row at a time, the window carrying over
		got := a.convolve(rows[3*step:3*step+3], state)
		for i, v := range got {
			if w := silu(want[3*step+i]); !(math.Abs(float64(v)-w) < 1e-6) {
				t.Errorf("row %d channel %d is %g, want %g", step, i, v, w)
			}
		}
	}
}
