package model

import (
	"math"
	"slices"
	"testing"
)

func TestChooseExperts(t *testing.T) {
	logits := []float32{1, 3, 3, 0} // the tie goes to the lower index
	e1, e0, eMinus2, eMinus3 := 1.0, 1.0, math.Exp(-2), math.Exp(-3)
	all := e1 + e0 + eMinus2 + eMinus3
	for _, c := range []struct {
		e    experts
		want []float64
	}{
		{experts{chosen: 3, softmaxFirst: true}, []float64{e1 / all, e0 / all, eMinus2 / all}},
		{experts{chosen: 3, softmaxFirst: true, renormalize: true}, []float64{e1 / (all - eMinus3), e0 / (all - eMinus3), eMinus2 / (all - eMinus3)}},
		{experts{chosen: 2}, []float64{0.5, 0.5}},
	} {
		indices, weights := c.e.choose(logits)
		if !slices.Equal(indices, []int{1, 2, 0}[:c.e.chosen]) {
			t.Errorf("chose %v", indices)
		}
		for i := range c.want {
			if !(math.Abs(float64(weights[i])-c.want[i]) < 1e-7) {
				t.Errorf("weights %v, want %v", weights, c.want)
			}
		}
	}
}

func TestFusedOrder(t *testing.T) {
	a := attention{heads: 4, kvHeads: 2, headDim: 1, grouped: true}
	// Stored: q0 q1 k0 v0 q2 q3 k1 v1.
	if got, want := a.fusedOrder(), []int{0, 1, 4, 5, 2, 6, 3, 7}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	a.grouped = false
	if a.fusedOrder() != nil {
		t.Error("a contiguous projection is reordered")
	}
}
