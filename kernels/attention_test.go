package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// attentionCase is a shape of attention with all its options.
type attentionCase struct {
	rows, keys, heads, kvHeads, headDim, valueDim int
	position, firstKey, window                    int
	softcap                                       float32
	sinks, results                                bool
	sinkSize                                      float32 // multiplies the sinks; 0 = 1
}

func (k attentionCase) build(c *CPU, r *rand.Rand) Attention {
	up := func(rows, width int) Buffer { return c.Upload(rows, width, random(r, rows*width)) }
	a := Attention{
		Q: up(k.rows, k.heads*k.headDim), K: up(k.keys, k.kvHeads*k.headDim), V: up(k.keys, k.kvHeads*k.valueDim),
		Heads: k.heads, KVHeads: k.kvHeads, HeadDim: k.headDim, ValueDim: k.valueDim,
		FirstPosition: k.position, FirstKey: k.firstKey, Scale: 0.3, Softcap: k.softcap, Window: k.window,
	}
	if k.sinks {
		a.Sinks = up(1, k.heads)
		if k.sinkSize != 0 {
			c.Scale(a.Sinks, a.Sinks, k.sinkSize)
		}
	}
	return a
}

// naiveAttention returns scores, probabilities and outputs of head h, row r, in float64.
func naiveAttention(a *Attention, h, r int) (scores, probs, out []float64) {
	kv := h / (a.Heads / a.KVHeads)
	scores, probs, out = make([]float64, a.K.Rows), make([]float64, a.K.Rows), make([]float64, a.ValueDim)
	sum := 0.0
	if !a.Sinks.IsZero() {
		sum = math.Exp(float64(a.Sinks.host[h]))
	}
	for j := range scores {
		position, key := a.FirstPosition+r, a.FirstKey+j
		scores[j] = -math.MaxFloat32
		if key > position || a.Window > 0 && key <= position-a.Window {
			continue
		}
		dot := 0.0
		for i := range a.HeadDim {
			dot += float64(a.Q.row(r)[h*a.HeadDim+i]) * float64(a.K.row(j)[kv*a.HeadDim+i])
		}
		scores[j] = dot * float64(a.Scale)
		if a.Softcap != 0 {
			scores[j] = float64(a.Softcap) * math.Tanh(scores[j]/float64(a.Softcap))
		}
		probs[j] = math.Exp(scores[j])
		sum += probs[j]
	}
	for j := range probs {
		if sum > 0 {
			probs[j] /= sum
		}
		for i := range out {
			out[i] += probs[j] * float64(a.V.row(j)[kv*a.ValueDim+i])
		}
	}
	return
}

func TestAttendAgainstNaive(t *testing.T) {
	cases := []attentionCase{
		{rows: 1, keys: 1, heads: 1, kvHeads: 1, headDim: 8, valueDim: 8},
		{rows: 1, keys: 77, heads: 4, kvHeads: 2, headDim: 64, valueDim: 64, position: 76, results: true},
		{rows: 2, keys: 13, heads: 2, kvHeads: 1, headDim: 12, valueDim: 20, position: 11, sinks: true},
		{rows: 3, keys: 40, heads: 2, kvHeads: 2, headDim: 16, valueDim: 16, position: 37, window: 9, softcap: 2, results: true},
		{rows: 5, keys: 5, heads: 3, kvHeads: 3, headDim: 16, valueDim: 8, results: true},
		{rows: 17, keys: 17, heads: 2, kvHeads: 1, headDim: 5, valueDim: 7, results: true, sinks: true},
		{rows: 32, keys: 50, heads: 2, kvHeads: 2, headDim: 32, valueDim: 32, position: 18, window: 20, results: true},
		{rows: 70, keys: 70, heads: 4, kvHeads: 2, headDim: 64, valueDim: 64, softcap: 3, sinks: true, results: true},
		{rows: 70, keys: 70, heads: 2, kvHeads: 2, headDim: 16, valueDim: 16, window: 3},
		{rows: 9, keys: 500, heads: 1, kvHeads: 1, headDim: 24, valueDim: 40, position: 491},
		{rows: 33, keys: 20, heads: 1, kvHeads: 1, headDim: 8, valueDim: 8, position: 30, firstKey: 43, results: true}, // early rows see nothing
		{rows: 2, keys: 30, heads: 6, kvHeads: 3, headDim: 16, valueDim: 16, position: 28, sinks: true, sinkSize: 300, results: true},
		{rows: 30, keys: 30, heads: 6, kvHeads: 3, headDim: 16, valueDim: 16, sinks: true, sinkSize: 300, results: true},
	}
	eachDevice(t, func(t *testing.T, c *CPU) {
		for i, k := range cases {
			t.Run(fmt.Sprint(i), func(t *testing.T) { testAttention(t, c, k) })
		}
	})
}

func testAttention(t *testing.T, c *CPU, k attentionCase) {
	a := k.build(c, newRand(7))
	var intact, intactScores, intactProbs func()
	a.Out, intact = framed(t, c, k.rows, k.heads*k.valueDim)
	if k.results {
		a.Scores, intactScores = framed(t, c, k.heads*k.rows, k.keys)
		a.Probs, intactProbs = framed(t, c, k.heads*k.rows, k.keys)
		defer intactScores()
		defer intactProbs()
	}
	c.Attend(a)
	intact()
	compare := func(what string, h, r int, got []float32, want []float64, tol float64) {
		t.Helper()
		for j := range got {
			if !near(float64(got[j]), want[j], tol) {
				t.Fatalf("%s of head %d, row %d: [%d] is %v, want %v", what, h, r, j, got[j], want[j])
			}
		}
	}
	for h := range k.heads {
		for r := range k.rows {
			scores, probs, out := naiveAttention(&a, h, r)
			compare("output", h, r, a.Out.row(r)[h*k.valueDim:(h+1)*k.valueDim], out, 3e-6)
			if k.results {
				compare("scores", h, r, a.Scores.row(h*k.rows+r), scores, 5e-6)
				compare("probabilities", h, r, a.Probs.row(h*k.rows+r), probs, 1e-6)
			}
		}
	}
}

// A NaN in a key must show in every row that sees it.
func TestAttendPropagatesNaN(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, rows := range []int{1, 3, 40} {
			k := attentionCase{rows: rows, keys: rows, heads: 1, kvHeads: 1, headDim: 16, valueDim: 16}
			a := k.build(c, newRand(8))
			a.Out = c.NewBuffer(rows, 16)
			a.K.row(rows / 2)[3] = float32(math.NaN())
			c.Attend(a)
			for r := rows / 2; r < rows; r++ {
				if v := a.Out.row(r)[5]; v == v {
					t.Fatalf("%d rows: row %d is %v", rows, r, v)
				}
			}
			for r := range rows / 2 {
				if v := a.Out.row(r)[5]; v != v {
					t.Fatalf("%d rows: row %d, which does not see the NaN, is NaN", rows, r)
				}
			}
		}
	})
}

// TestAttendWithoutPassedKeys: the keys that a window has passed may be left out without a
// change of any bit.
func TestAttendWithoutPassedKeys(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		for _, rows := range []int{1, 3, 4, 17, 32, 70} {
			for _, drop := range []int{1, 7, 90} {
				k := attentionCase{rows: rows, keys: 100 + rows, heads: 4, kvHeads: 2, headDim: 24, valueDim: 40, position: 100, window: 11, sinks: true}
				a := k.build(c, newRand(3))
				a.Out = c.NewBuffer(rows, 4*40)
				c.Attend(a)
				want := make([]float32, rows*a.Out.Width)
				c.Download(want, a.Out)
				a.FirstKey = drop
				a.K, a.V = c.View(a.K, drop, a.K.Rows-drop, 0, a.K.Width), c.View(a.V, drop, a.V.Rows-drop, 0, a.V.Width)
				c.Attend(a)
				got := make([]float32, len(want))
				c.Download(got, a.Out)
				if !slices.Equal(got, want) {
					t.Errorf("%d rows differ without the first %d keys", rows, drop)
				}
			}
		}
	})
}

// TestAttendAllIsAttend: attentions computed together have the bits they have alone.
func TestAttendAllIsAttend(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		var jobs []Attention
		var want [][]float32
		for i, rows := range []int{1, 3, 0, 1, 40, 2, 1} {
			k := attentionCase{rows: rows, keys: 1 + 37*i + rows, heads: 2 + 2*(i%2), kvHeads: 2, headDim: 24, valueDim: 40, position: 37 * i, window: 50 * (i % 2)}
			a := k.build(c, newRand(uint64(i)))
			a.Out = c.NewBuffer(rows, k.heads*40)
			c.Attend(a)
			alone := make([]float32, rows*a.Out.Width)
			c.Download(alone, a.Out)
			c.Scale(a.Out, a.Out, 0)
			jobs, want = append(jobs, a), append(want, alone)
		}
		c.AttendAll(jobs)
		for i := range jobs {
			got := make([]float32, len(want[i]))
			if c.Download(got, jobs[i].Out); !slices.Equal(got, want[i]) {
				t.Errorf("attention %d differs from Attend's", i)
			}
		}
	})
}
