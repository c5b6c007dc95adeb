package engine

import (
	"math"
	"slices"
	"testing"
)

// TestSampling: a seed decides everything, strength 0 changes nothing, neighbours in the
// batch do not matter, and a penalty keeps tokens from coming back.
func TestSampling(t *testing.T) {
	config, _ := tinyConfig(t)
	e := loadTiny(t, config)
	s := steering(20)
	s.Temperature = 1
	s.Seed = 12.7
	first := mustSteer(t, e, "abc", s)
	s.Seed = 12.2
	s.Types = []SteerType{Steered}
	if again := mustSteer(t, e, "abc", s); again.Outputs[0].Text != first.Outputs[0].Text {
		t.Errorf("alone: %q, beside another: %q", again.Outputs[0].Text, first.Outputs[0].Text)
	}
	s.Features[0].Strength = 0
	if unsteered := mustSteer(t, e, "abc", s); unsteered.Outputs[0].Text != first.Outputs[1].Text {
		t.Errorf("strength 0: %q, unsteered: %q", unsteered.Outputs[0].Text, first.Outputs[1].Text)
	}
	s.Seed = 13
	if other := mustSteer(t, e, "abc", s); other.Outputs[0].Text == first.Outputs[1].Text {
		t.Errorf("two seeds gave %q", other.Outputs[0].Text)
	}
	s.FrequencyPenalty = 1e6
	s.Logprobs = 1
	seen := map[string]bool{"a": true, "b": true, "c": true}
	for _, token := range mustSteer(t, e, "abc", s).Outputs[0].Logprobs {
		if seen[token.Token] && token.Token != "\ufffd" {
			t.Errorf("token %q came back in spite of the penalty", token.Token)
		}
		seen[token.Token] = true
	}
	s.Temperature, s.Logprobs = 0, 0
	penalised := mustSteer(t, e, "abc", s)
	s.FrequencyPenalty = 0
	if greedy := mustSteer(t, e, "abc", s); greedy.Outputs[0].Text != penalised.Outputs[0].Text {
		t.Error("the penalty changed a greedy text")
	}
}

// TestDrawFollowsTheProbabilities counts many draws.
func TestDrawFollowsTheProbabilities(t *testing.T) {
	s := newSampler(Steering{Temperature: 0.5, Seed: 1}, nil)
	logits := []float32{0, float32(math.Log(2)) / 2, -1000, float32(math.Log(5)) / 2}
	counts := make([]float64, len(logits))
	const draws = 20000
	for range draws {
		counts[s.pick(logits)]++
	}
	for i, share := range []float64{1. / 8, 2. / 8, 0, 5. / 8} {
		if got := counts[i] / draws; !(math.Abs(got-share) < 0.015) {
			t.Errorf("token %d was drawn with %.3f, want %.3f", i, got, share)
		}
	}
	if id := newSampler(Steering{Temperature: 1e-300}, nil).pick(logits); id != 3 {
		t.Errorf("nearly no temperature drew %d", id)
	}
	if id := newSampler(Steering{}, nil).pick([]float32{1, 2, 2}); id != 1 {
		t.Errorf("greedy took %d among equals", id)
	}
}

func TestLargestOf(t *testing.T) {
	if got := largestOf([]float32{3, 5, 5, 1, 9}, 3); !slices.Equal(got, []int{4, 1, 2}) {
		t.Error(got)
	}
	if got := largestOf([]float32{3}, 3); !slices.Equal(got, []int{0}) {
		t.Error(got)
	}
	if got := largestOf([]float32{3}, 0); len(got) != 0 {
		t.Error(got)
	}
}
