package engine

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"npinf/kernels"
)

// TestRankingEqualsOneStableSort merges sources one after the other and compares with
// sorting everything at once, many ties included.
func TestRankingEqualsOneStableSort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1, 2, 7, 30, 200} {
		var everything []candidate
		ranks := ranking{most: most}
		for order := range 5 {
			var peaks []kernels.FeaturePeak
			for feature := range 20 {
				key := float32(random.IntN(6)) - 1
				peaks = append(peaks, kernels.FeaturePeak{Feature: feature, Key: key})
				everything = append(everything, candidate{FeatureActivation: FeatureActivation{Index: feature}, order: order, key: key})
			}
			// A device returns the best of them only, in order.
			slices.SortStableFunc(peaks, func(a, b kernels.FeaturePeak) int { return cmp.Compare(b.Key, a.Key) })
			entered := ranks.merge("source", order, peaks[:min(most, len(peaks))])
			for _, c := range entered {
				if c.order != order {
					t.Fatalf("merge returned a candidate of source %d for source %d", c.order, order)
				}
			}
		}
		slices.SortStableFunc(everything, func(a, b candidate) int { return cmp.Compare(b.key, a.key) })
		want := everything[:min(most, len(everything))]
		if len(ranks.candidates) != len(want) {
			t.Fatalf("most %d: %d candidates, want %d", most, len(ranks.candidates), len(want))
		}
		for i, c := range ranks.candidates {
			if c.key != want[i].key || c.order != want[i].order || c.Index != want[i].Index {
				t.Fatalf("most %d, rank %d: source %d feature %d, want %d %d", most, i, c.order, c.Index, want[i].order, want[i].Index)
			}
		}
	}
}

func TestCandidateFill(t *testing.T) {
	c := candidate{}
	c.fill([]float32{9, 1, 4, 4}, kernels.PeakOptions{ZeroRows: []bool{true, false, false, false}, SortRows: []int{1, 3, 1}})
	if c.Max != 4 || c.MaxIndex != 2 || c.Sum != 6 || c.key != 6 || c.Values[0] != 0 {
		t.Errorf("%+v", c)
	}
	c = candidate{}
	c.fill([]float32{-3, -1, -2}, kernels.PeakOptions{})
	if c.Max != -1 || c.MaxIndex != 1 || c.Sum != 0 || c.key != -1 {
		t.Errorf("negative values: %+v", c)
	}
}

// TestDirectAttributionEqualsTheNaiveSum expands the kv heads and sums in another order.
func TestDirectAttributionEqualsTheNaiveSum(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	numbers := func(n int) []float32 {
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(random.NormFloat64())
		}
		return values
	}
	for _, shape := range []struct{ heads, kv, dim, keys int }{{4, 4, 3, 5}, {8, 2, 4, 7}, {4, 1, 2, 1}, {1, 1, 5, 3}} {
		probs, values, direction := numbers(shape.heads*shape.keys), numbers(shape.keys*shape.kv*shape.dim), numbers(shape.heads*shape.dim)
		got := directAttribution(probs, values, direction, shape.heads, shape.keys)
		for s := range shape.keys {
			want := 0.0
			for d := range shape.dim {
				for h := range shape.heads {
					kv := h * shape.kv / shape.heads
					want += float64(probs[h*shape.keys+s]) * float64(values[(s*shape.kv+kv)*shape.dim+d]) * float64(direction[h*shape.dim+d])
				}
			}
			if !(math.Abs(float64(got[s])-want) <= 1e-5*max(1, math.Abs(want))) {
				t.Errorf("%+v, position %d: %v, want %v", shape, s, got[s], want)
			}
		}
	}
}

func TestAttributionWithoutBOS(t *testing.T) {
	a := Attribution{Values: []float32{9, -2, 3, 0}, Max: 9, Target: 3}
	if got := a.withoutBOS(1); got.Max != 3 || got.Target != 2 || !slices.Equal(got.Values, []float32{-2, 3, 0}) {
		t.Errorf("%+v", got)
	}
	if got := a.withoutBOS(0); got.Max != 9 || got.Target != 3 || len(got.Values) != 4 {
		t.Errorf("%+v", got)
	}
}

func TestSparsePattern(t *testing.T) {
	length := 10
	pattern := make([]float32, length*length)
	pattern[0] = 1
	for query := 1; query < length; query++ {
		for key := 0; key <= query; key++ {
			pattern[query*length+key] = 1 / float32(query+1)
		}
	}
	pattern[1*length+0], pattern[1*length+1] = 0.9951, 0.0049 // one entry below the threshold
	got := sparsePattern(pattern, length)
	if got.Indices[0] != 0 || got.Values[0] != 1 {
		t.Errorf("row 0 starts with %v %v", got.Indices[0], got.Values[0])
	}
	if slices.Contains(got.Indices, 1*length+1) {
		t.Error("an entry below the threshold was kept")
	}
	last := 0
	for _, index := range got.Indices {
		if index/length == length-1 {
			last++
		}
	}
	// Ten equal entries: the eight with the lowest keys stay.
	if last != attentionKeys || slices.Contains(got.Indices, length*length-1) || !slices.IsSorted(got.Indices) {
		t.Errorf("last row kept %d entries: %v", last, got.Indices)
	}
	if got.Max != 0.3333 {
		t.Errorf("max %v, want 0.3333", got.Max)
	}
	if one := sparsePattern([]float32{1}, 1); len(one.Indices) != 0 || one.Max != 0 || one.Indices == nil {
		t.Errorf("one token: %+v", one)
	}
}

func TestFiringFeaturesOrder(t *testing.T) {
	rows := [][]kernels.FeatureValue{
		{{Feature: 7, Value: 1.00049}, {Feature: 3, Value: -0.5}},
		{},
		{{Feature: 1, Value: 2}, {Feature: 3, Value: 0.0001}},
	}
	got, err := firingFeatures(rows, 1, "s")
	if err != nil {
		t.Fatal(err)
	}
	want := []ActiveFeature{
		{3, []TokenValue{{1, -0.5}, {3, 0}}},
		{7, []TokenValue{{1, 1}}},
		{1, []TokenValue{{3, 2}}},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i].Index != want[i].Index || !slices.Equal(got[i].Values, want[i].Values) {
			t.Errorf("%d: %+v, want %+v", i, got[i], want[i])
		}
	}
	nan := [][]kernels.FeatureValue{{{Feature: 0, Value: float32(math.NaN())}}}
	if _, err := firingFeatures(nan, 0, "s"); err == nil || codeOf(t, err) != NonFinite {
		t.Errorf("NaN: %v", err)
	}
}

func TestFinite(t *testing.T) {
	for value, want := range map[float32]bool{0: true, -math.MaxFloat32: true, float32(math.Inf(1)): false, float32(math.Inf(-1)): false} {
		if finite([]float32{1, value}) != want {
			t.Errorf("%v", value)
		}
	}
	if finite([]float32{float32(math.NaN())}) {
		t.Error("NaN is finite")
	}
}
