package model

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"npinf/kernels"
)

// One row behind a cache gives the logits of the same row in a whole pass, again and again,
// with every number of threads: the kernels for one row share tasks and scratch with those
// for many.
func TestRowsAfterACacheAreTheSameEveryTime(t *testing.T) {
	for _, config := range append([]string{smallHybrid}, smallConfigs...) {
		for _, threads := range []int{1, 2, 3} {
			device, err := kernels.NewCPU(kernels.CPUOptions{Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			m := loadSmall(t, config, device)
			tokens := []int{5, 3, 8, 1, 30, 2, 11, 7}
			whole := &Sequence{Tokens: tokens, Want: AllLogits}
			mustForward(t, m, whole)
			want := valuesOf(device, whole.Logits)
			var first []float32
			for round := range 20 {
				cache := m.NewCache(0)
				mustForward(t, m, &Sequence{Tokens: tokens[:4], Cache: cache})
				var got []float32
				for i := 4; i < len(tokens); i++ {
					s := &Sequence{Tokens: tokens[i : i+1], Cache: cache, Want: LastLogits}
					mustForward(t, m, s)
					got = append(got, valuesOf(device, s.Logits)...)
					device.Release(s.Logits)
				}
				cache.Release()
				if round == 0 {
					first = got
					within(t, fmt.Sprintf("%.30s, %d threads", config, threads), got, want[4*m.Info().Vocabulary:], 2e-5)
				}
				for i, v := range got {
					if v != first[i] {
						t.Fatalf("%.30s, %d threads, round %d: value %d is %g, was %g", config, threads, round, i, v, first[i])
					}
				}
			}
			device.Release(whole.Logits)
			m.Close()
			device.Close()
		}
	}
}

// The last block computes only the rows that are read; the others must not matter.
func TestLastLogitsAreThoseOfAllRows(t *testing.T) {
	device := cpu(t)
	for _, config := range append([]string{smallHybrid}, smallConfigs...) {
		m := loadSmall(t, config, device)
		tokens := []int{5, 3, 8, 1, 30, 2, 11}
		all := &Sequence{Tokens: tokens, Want: AllLogits}
		mustForward(t, m, all)
		last := &Sequence{Tokens: tokens, Want: LastLogits}
		other := &Sequence{Tokens: tokens[:3], Want: AllLogits}
		tap := &Tap{Address: Address{ResidPost, m.Info().Layers - 1}, Head: -1}
		tapped := &Sequence{Tokens: tokens[:5], Want: LastLogits, Taps: []*Tap{tap}}
		mustForward(t, m, last, other, tapped)
		logits, width := valuesOf(device, all.Logits), m.Info().Vocabulary
		within(t, "last", valuesOf(device, last.Logits), logits[6*width:], 2e-5)
		within(t, "all rows beside it", valuesOf(device, other.Logits), logits[:3*width], 2e-5)
		within(t, "with a tap", valuesOf(device, tapped.Logits), logits[4*width:5*width], 2e-5)
		for _, at := range []Address{{ResidPost, 1}, {ResidPre, 2}, {MLPIn, 1}, {AttnOut, 1}, {Z, 1}, {ResidPost, 2}} {
			some := &Tap{Address: at, Rows: []int{6, 4, 6}, Head: -1}
			every := &Tap{Address: at, Head: -1}
			mustForward(t, m, &Sequence{Tokens: tokens, Taps: []*Tap{some}}, &Sequence{Tokens: tokens, Taps: []*Tap{every}}, &Sequence{Tokens: tokens, Want: LastLogits})
			rows := valuesOf(device, every.Out)
			d := len(rows) / len(tokens)
			within(t, "rows of a tap", valuesOf(device, some.Out), slices.Concat(rows[6*d:7*d], rows[4*d:5*d], rows[6*d:7*d]), 2e-5)
		}
		within(t, "the tap", valuesOf(device, m.Decode(tap.Out)), logits[:5*width], 2e-5)
	}
}

// Decoding allocates nothing once it has begun, nor when a window passes keys.
func TestDecodingAllocatesNothing(t *testing.T) {
	for _, config := range []string{smallLlama, smallGemma, smallNeoX, smallMistral} {
		device := cpu(t)
		if n := allocationsPerToken(t, loadSmall(t, config, device), device); n > 0 {
			t.Errorf("%.30s: %g allocations per token", config, n)
		}
	}
}

// TestFastDecodingAllocatesNothing is the same with rounded inputs.
func TestFastDecodingAllocatesNothing(t *testing.T) {
	device := fastDevice(t)
	m, err := Load(t.Context(), smallModel(t, smallLlama), Options{Device: device, DType: "bfloat16"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if n := allocationsPerToken(t, m, device); n > 0 {
		t.Errorf("%g allocations per token", n)
	}
}

// TestInt8DecodingAllocatesNothing is the same with int8 weights.
func TestInt8DecodingAllocatesNothing(t *testing.T) {
	device := cpu(t)
	m, err := Load(t.Context(), smallModel(t, smallLlama), Options{Device: device, Int8: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if n := allocationsPerToken(t, m, device); n > 0 {
		t.Errorf("%g allocations per token", n)
	}
}

func allocationsPerToken(t *testing.T, m *Model, device kernels.Device) float64 {
	t.Helper()
	cache := m.NewCache(0)
	s := &Sequence{Tokens: []int{1}, Cache: cache, Want: LastLogits}
	batch := []*Sequence{s}
	step := func() {
		if m.arch.blocks[1].attention.window == 0 {
			cache.Truncate(8)
		}
		if err := m.Forward(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		device.Release(s.Logits)
	}
	for range windowSlack {
		step()
	}
	return testing.AllocsPerRun(2*windowSlack, step)
}
