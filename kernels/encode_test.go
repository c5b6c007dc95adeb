package kernels

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// integers returns n small whole numbers: every product and sum of them is exact in
// float32, so that all paths must agree to the bit, and there are plenty of ties.
func integers(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.IntN(7) - 3)
	}
	return s
}

// encoderCase is an encoder with the values of its weights; w is nil for neurons.
type encoderCase struct {
	Encoder
	w []float32
}

func newEncoder(t testing.TB, c *CPU, r *rand.Rand, kind EncoderKind, features, width int, d DType, neurons, full bool) *encoderCase {
	e := &encoderCase{Encoder: Encoder{Kind: kind, Features: features, Width: width, K: 5}}
	if neurons {
		e.Features = width
	} else {
		e.w = integers(r, features*width)
		w, err := c.LoadWeight(HostMatrix{Data: floatBytes(e.w), Out: features, In: width, Convert: &d})
		if err != nil {
			t.Fatal(err)
		}
		e.W = w
	}
	parameters := func(positive bool) Buffer {
		p := integers(r, e.Features)
		for i := range p {
			if positive {
				p[i] = 1 + float32(math.Abs(float64(p[i])))
			}
		}
		return c.Upload(1, e.Features, p)
	}
	if full {
		e.Bias, e.Scale = parameters(false), parameters(true)
		if e.ranking() {
			e.Rank = parameters(true)
		}
	}
	if kind == EncodeJumpReLU {
		e.Threshold = parameters(true)
	}
	if kind == EncodeGated {
		e.Magnitude, e.MagnitudeBias = parameters(true), parameters(false)
	}
	return e
}

// dense computes all activations of one row from the definitions, in float64.
func (e *encoderCase) dense(x []float32) []float32 {
	at := func(b Buffer, f int, absent float64) float64 {
		if b.IsZero() {
			return absent
		}
		return float64(b.host[f])
	}
	values, keys := make([]float64, e.Features), make([]float64, e.Features)
	order := make([]int, e.Features)
	for f := range values {
		order[f] = f
		p := 0.0
		if e.w == nil {
			p = float64(x[f])
		} else {
			p, _ = naive(x, e.w[f*e.Width:(f+1)*e.Width])
		}
		pre := p + at(e.Bias, f, 0)
		switch e.Kind {
		case EncodeReLU:
			values[f] = max(pre, 0)
		case EncodeJumpReLU:
			if pre > at(e.Threshold, f, 0) {
				values[f] = max(pre, 0)
			}
		case EncodeGated:
			if pre > 0 {
				values[f] = max(p*at(e.Magnitude, f, 1)+at(e.MagnitudeBias, f, 0), 0)
			}
		case EncodeTopK:
			keys[f] = pre * at(e.Rank, f, 1)
			values[f] = max(keys[f], 0)
		case EncodeAbsTopK:
			values[f] = pre * at(e.Rank, f, 1)
			keys[f] = math.Abs(values[f])
		case EncodeIdentity:
			values[f] = pre
		}
	}
	if e.Kind == EncodeTopK || e.Kind == EncodeAbsTopK {
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(keys[b], keys[a]), cmp.Compare(a, b)) })
		for _, f := range order[min(e.K, e.Features):] {
			values[f] = 0
		}
	}
	result := make([]float32, e.Features)
	for f, v := range values {
		result[f] = float32(v * at(e.Scale, f, 1))
	}
	return result
}

func TestEncodeAgainstDense(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(31)
		for kind := EncodeReLU; kind <= EncodeIdentity; kind++ {
			for _, rows := range []int{1, 3, 7, 8, 12, 33} {
				for _, s := range []struct{ features, width int }{{1, 4}, {50, 9}, {333, 40}} {
					for variant := range 4 {
						d := DType((variant + rows) % 3)
						e := newEncoder(t, c, r, kind, s.features, s.width, d, variant == 3, variant > 0)
						t.Run(fmt.Sprintf("kind %d, %d rows, %dx%d, %d", kind, rows, s.width, s.features, variant), func(t *testing.T) {
							testEncode(t, c, e, r, c.Upload(rows, s.width, integers(r, rows*s.width)))
						})
					}
				}
			}
		}
	})
}

func testEncode(t *testing.T, c *CPU, e *encoderCase, r *rand.Rand, x Buffer) {
	all := make([][]float32, x.Rows)
	for i := range all {
		all[i] = e.dense(x.row(i))
	}
	for _, k := range []int{1, 4, e.Features} {
		for i, got := range c.EncodeTopPerRow(x, &e.Encoder, k) {
			if want := topOf(all[i], k); !slices.Equal(got, want) {
				t.Fatalf("top %d of row %d: %v, want %v", k, i, got, want)
			}
		}
	}
	for i, got := range c.EncodeActive(x, &e.Encoder) {
		var want []FeatureValue
		for f, v := range all[i] {
			if v != 0 {
				want = append(want, FeatureValue{f, v})
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("active in row %d: %v, want %v", i, got, want)
		}
	}
	features := []int{e.Features - 1, 0, e.Features / 2, 0}
	dst, intact := framed(t, c, x.Rows, len(features))
	c.EncodeFeatures(dst, x, &e.Encoder, features)
	intact()
	for i := range all {
		for j, f := range features {
			if got := dst.row(i)[j]; got != all[i][f] {
				t.Fatalf("feature %d of row %d: %v, want %v", f, i, got, all[i][f])
			}
		}
	}
	zeroRows := make([]bool, x.Rows)
	zeroRows[r.IntN(x.Rows)] = true
	for _, o := range []PeakOptions{
		{Top: 3}, {Top: e.Features + 5}, {Top: 4, ZeroRows: zeroRows}, {Top: 4, SortRows: []int{x.Rows - 1}},
		{Top: 7, SortRows: []int{0, x.Rows / 2, 0}}, {Top: 7, SortRows: []int{0, x.Rows - 1}, ZeroRows: zeroRows}, {Top: 0},
	} {
		if got, want := c.EncodePeaks(x, &e.Encoder, o), peaksOf(all, o); !slices.Equal(got, want) {
			t.Fatalf("peaks with %+v: %v, want %v", o, got, want)
		}
	}
}

func topOf(values []float32, k int) []FeatureValue {
	list := make([]FeatureValue, len(values))
	for f, v := range values {
		list[f] = FeatureValue{f, v}
	}
	slices.SortFunc(list, func(a, b FeatureValue) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Feature, b.Feature))
	})
	return list[:min(k, len(list))]
}

func peaksOf(rows [][]float32, o PeakOptions) []FeaturePeak {
	var list []FeaturePeak
	for f := range rows[0] {
		at := func(r int) float32 {
			if o.ZeroRows != nil && o.ZeroRows[r] {
				return 0
			}
			return rows[r][f]
		}
		p := FeaturePeak{Feature: f, Max: at(0)}
		for r := range rows {
			if at(r) > p.Max {
				p.Max, p.MaxRow = at(r), r
			}
		}
		p.Key = p.Max
		if len(o.SortRows) > 0 {
			for _, r := range o.SortRows {
				p.Sum += at(r)
			}
			p.Key = p.Sum
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b FeaturePeak) int {
		return cmp.Or(cmp.Compare(b.Key, a.Key), cmp.Compare(a.Feature, b.Feature))
	})
	return list[:min(o.Top, len(list))]
}

// A NaN in an activation comes out as NaN, ranked first, under every rule.
func TestEncodeReportsNaN(t *testing.T) {
	nan := float32(math.NaN())
	eachDevice(t, func(t *testing.T, c *CPU) {
		for kind := EncodeReLU; kind <= EncodeIdentity; kind++ {
			for _, rows := range []int{1, 6, 20, 40} {
				r := newRand(32)
				e := newEncoder(t, c, r, kind, 100, 24, F32, false, true)
				e.W.f32[77*24+5] = nan
				x := c.Upload(rows, 24, integers(r, rows*24))
				peaks := c.EncodePeaks(x, &e.Encoder, PeakOptions{Top: 2})
				if p := peaks[0]; p.Feature != 77 || p.Max == p.Max || p.Key == p.Key || p.MaxRow != 0 {
					t.Errorf("kind %d, %d rows: the first peak is %+v", kind, rows, p)
				}
				last := c.EncodePeaks(x, &e.Encoder, PeakOptions{Top: 2, SortRows: []int{rows - 1}})
				if p := last[0]; p.Feature != 77 || p.Sum == p.Sum {
					t.Errorf("kind %d, %d rows: the first sum is %+v", kind, rows, p)
				}
				for i, top := range c.EncodeTopPerRow(x, &e.Encoder, 3) {
					if top[0].Feature != 77 || top[0].Value == top[0].Value {
						t.Errorf("kind %d: the first of row %d is %v", kind, i, top[0])
					}
				}
			}
		}
	})
}

// Many encodings at once, on random data, agree with one thread's.
func TestEncodeConcurrently(t *testing.T) {
	c, err := NewCPU(CPUOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := newRand(34)
	e := newEncoder(t, c, r, EncodeReLU, 2000, 64, BF16, false, true)
	x := c.Upload(37, 64, random(r, 37*64))
	want := c.EncodePeaks(x, &e.Encoder, PeakOptions{Top: 20})
	done := make(chan []FeaturePeak)
	for range 8 {
		go func() {
			var got []FeaturePeak
			for range 5 {
				got = c.EncodePeaks(x, &e.Encoder, PeakOptions{Top: 20})
			}
			done <- got
		}()
	}
	for range 8 {
		if got := <-done; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// The values of single features have the bits of the peaks: what was ranked is what is shown.
func TestEncodeFeaturesAgreesWithPeaks(t *testing.T) {
	eachDevice(t, func(t *testing.T, c *CPU) {
		r := newRand(36)
		for _, d := range []DType{F32, BF16, F16} {
			for _, rows := range []int{1, 5, 8, 14, 32, 45} {
				w, _ := randomWeight(t, c, r, 301, 405, d)
				e := &Encoder{Kind: EncodeReLU, Features: 301, Width: 405, W: w}
				x := c.Upload(rows, 405, random(r, rows*405))
				dst := c.NewBuffer(rows, 1)
				for _, p := range c.EncodePeaks(x, e, PeakOptions{Top: 9}) {
					c.EncodeFeatures(dst, x, e, []int{p.Feature})
					if got := dst.row(p.MaxRow)[0]; got != p.Max {
						t.Fatalf("%s, %d rows: feature %d is %v alone and %v as a peak", d, rows, p.Feature, got, p.Max)
					}
				}
			}
		}
	})
}
