package lens

import (
	"errors"
	"math"
	"slices"
	"testing"

	"npinf/kernels"
)

func device(t *testing.T) *kernels.CPU {
	t.Helper()
	d, err := kernels.NewCPU(kernels.CPUOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }

// TestRank holds the filter to its rule: probabilities are those among all tokens, only the
// last layer keeps a likeliest token that is no word, equals go by id.
func TestRank(t *testing.T) {
	d := device(t)
	texts := []string{"cat", ".", "dog", "!", "cow"}
	words := NewVocabulary(len(texts), func(id int) string { return texts[id] })
	row := []float32{1, 3, 2, 0, 2}
	sum := 0.0
	for _, v := range row {
		sum += math.Exp(float64(v))
	}
	for _, c := range []struct {
		words *Vocabulary
		last  bool
		top   int
		want  []int
	}{
		{nil, false, 3, []int{1, 2, 4}},
		{nil, true, 5, []int{1, 2, 4, 0, 3}},
		{words, false, 2, []int{2, 4}},
		{words, true, 2, []int{1, 2}},
		{words, true, 1, []int{1}},
		{words, false, 5, []int{2, 4, 0, 1, 3}},
		{words, true, 5, []int{1, 2, 4, 0, 3}},
		{words, true, 0, []int{}},
	} {
		r := &Reader{Device: d, Words: c.words, Top: c.top}
		ranked, err := r.rank(d.Upload(1, len(row), row), c.last)
		if err != nil || len(ranked) != 1 || len(ranked[0]) != len(c.want) {
			t.Fatalf("%+v: %v, %v", c, ranked, err)
		}
		for i, token := range ranked[0] {
			probability := math.Exp(float64(row[token.ID])) / sum
			hidden := c.words != nil && !IsWord(texts[token.ID]) && !(c.last && i == 0)
			if hidden {
				probability = 0
			}
			if token.ID != c.want[i] || !near(token.Probability, probability) {
				t.Errorf("%+v: place %d is %+v, want %d with %v", c, i, token, c.want[i], probability)
			}
		}
	}
}

func TestRankRefusesWhatIsNotFinite(t *testing.T) {
	d := device(t)
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		r := &Reader{Device: d, Top: 1}
		if _, err := r.rank(d.Upload(2, 3, []float32{1, 2, 3, 1, float32(bad), 3}), false); !errors.Is(err, ErrNonFinite) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// TestActions changes rows by hand-made directions.
func TestActions(t *testing.T) {
	d := device(t)
	rows := []float32{3, 4, 0, 0, 0, 2, 6, 8, 0}
	const free = 1 // the position that is spared
	apply := func(a action) []float32 {
		x := d.Upload(3, 3, rows)
		a.apply(d, x, []int{0, free, 2}, func(position int) bool { return position == free })
		out := make([]float32, 9)
		d.Download(out, x)
		return out
	}
	one, diagonal := d.Upload(1, 3, []float32{1, 0, 0}), d.Upload(1, 3, []float32{0, 2, 0})
	for name, c := range map[string]struct {
		a    action
		want []float32
	}{
		"add":             {action{operation: Add, strength: 0.5, length: 1, direction: one}, []float32{5.5, 4, 0, 0, 0, 2, 11, 8, 0}},
		"add, long":       {action{operation: Add, strength: 3, length: 2, direction: diagonal}, []float32{3, 9, 0, 0, 0, 2, 6, 18, 0}},
		"add, negative":   {action{operation: Add, strength: -3, length: 2, direction: diagonal}, []float32{3, -1, 0, 0, 0, 2, 6, -2, 0}},
		"ablate":          {action{operation: Ablate, length: 1, direction: one, moved: d.Upload(1, 3, []float32{-1, 0, 0})}, []float32{0, 4, 0, 0, 0, 2, 0, 8, 0}},
		"swap to another": {action{operation: Swap, length: 1, direction: one, moved: d.Upload(1, 3, []float32{-1, 0, 1})}, []float32{0, 4, 3, 0, 0, 2, 0, 8, 6}},
	} {
		for i, got := range apply(c.a) {
			if !near(float64(got), float64(c.want[i])) {
				t.Errorf("%s: [%d] is %v, want %v", name, i, got, c.want[i])
			}
		}
	}
}

// TestFewLooksRankAsAPassOverAll: looking only at the likeliest tokens gives what hiding every
// other token gives, whether they hold enough words or not.
func TestFewLooksRankAsAPassOverAll(t *testing.T) {
	d := device(t)
	const rows, size, top = 5, 400, 6
	for _, share := range []int{1, 2, 40} { // every token a word, every second, every fortieth
		words := NewVocabulary(size, func(id int) string {
			if id%share == 0 {
				return "word"
			}
			return "."
		})
		values := make([]float32, rows*size)
		for i := range values {
			values[i] = float32(i * 7919 % 211) // many equals
		}
		r := &Reader{Device: d, Words: words, Top: top}
		hidden := d.Upload(rows, size, values)
		r.hide(hidden)
		want := d.TopPerRow(hidden, top)
		for i, row := range r.words(d.Upload(rows, size, values), false) {
			if !slices.Equal(row, want[i]) {
				t.Errorf("one word in %d, row %d: %v, want %v", share, i, row, want[i])
			}
		}
	}
}
