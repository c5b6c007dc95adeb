package model

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"npinf/internal/golden"
)

const (
	// int8Bound is what int8 weights may make wrong, over the noise floor that was recorded: the
	// distance of float32 from float64. A weight is off by at most 1/254 of its row's largest,
	// about 2⁻⁶ of a typical one, where float32 has 2⁻²⁴; but float32 rounds every operation as
	// well, so that half of the quotient is enough.
	int8Bound = 1 << 17
	// int8Mean bounds the mean row error of a family, whose weights are random.
	int8Mean = 0.1
)

// int8Options are the two ways to load that are compared.
func int8Options(t *testing.T, dtype string) (rounded, exact Options) {
	exact = Options{Device: cpu(t), DType: dtype, Borrow: true}
	rounded = exact
	rounded.Int8 = true
	return rounded, exact
}

// TestInt8OfEveryFamily compares int8 weights with stored ones on every checkpoint. Stored ones
// are held to the recorded values by TestGoldenModels.
func TestInt8OfEveryFamily(t *testing.T) {
	rounded, exact := int8Options(t, "auto")
	for name, family := range measureFamilies(t, int8Bound, rounded, exact) {
		if mean := family.sum / float64(family.rows); !(mean <= int8Mean) || mean < 1e-3 {
			t.Errorf("%s: the mean row error is %.4f", name, mean)
		}
	}
}

// TestInt8RealModels says what int8 weights do to trained models: how often the likeliest
// token of a position stays, the divergence of the predictions and the change of the
// likelihood of the text. NPINF_REAL_MODELS names the models' folder.
func TestInt8RealModels(t *testing.T) {
	root, models := golden.Dir(t, "real"), os.Getenv("NPINF_REAL_MODELS")
	if models == "" {
		golden.Missing(t, "set NPINF_REAL_MODELS to a folder with the real models' files")
	}
	expectations, _ := filepath.Glob(filepath.Join(root, "*", "expected.json"))
	for _, path := range expectations {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			var both [2]*Model
			rounded, exact := int8Options(t, "auto")
			for i, options := range []Options{rounded, exact} {
				m, err := Load(context.Background(), dirFiles(filepath.Join(models, name)), options)
				if err != nil {
					golden.Missing(t, err.Error())
				}
				defer m.Close()
				both[i] = m
			}
			var expected struct{ Cases []realCase }
			golden.ReadJSON(t, path, &expected)
			var sum predictionChange
			for i := range expected.Cases {
				if ids := expected.Cases[i].IDs; len(ids) <= 128 {
					sum.add(t, both, ids)
				}
			}
			positions := float64(sum.positions)
			t.Logf("likeliest token the same at %d of %d positions; KL %.5f, text %+.5f nats per token; %d bytes of weights, %d stored",
				sum.same, sum.positions, sum.divergence/positions, sum.surprise/positions, both[0].Info().WeightBytes, both[1].Info().WeightBytes)
			if sum.same*10 < sum.positions*9 || !(sum.divergence/positions < 0.05) || !(math.Abs(sum.surprise/positions) < 0.05) {
				t.Error("the predictions are others")
			}
		})
	}
}

// predictionChange adds up how the predictions of one model differ from those of another.
type predictionChange struct {
	same, positions      int
	divergence, surprise float64 // of the first from the second; of the text in the first, over the second
}

func (p *predictionChange) add(t *testing.T, both [2]*Model, ids []int) {
	t.Helper()
	var logits [2][]float32
	width := 0
	for i, m := range both {
		s := &Sequence{Tokens: ids, Want: AllLogits}
		mustForward(t, m, s)
		logits[i], width = valuesOf(m.device, s.Logits), s.Logits.Width
		m.device.Release(s.Logits)
	}
	for row := range len(ids) - 1 {
		got, want := logits[0][row*width:(row+1)*width], logits[1][row*width:(row+1)*width]
		gotSum, wantSum := logSum(got), logSum(want)
		for i, v := range want {
			exact := float64(v) - wantSum
			p.divergence += math.Exp(exact) * (exact - (float64(got[i]) - gotSum))
		}
		next := ids[row+1]
		p.surprise += float64(want[next]) - wantSum - (float64(got[next]) - gotSum)
		if argmax(got) == argmax(want) {
			p.same++
		}
		p.positions++
	}
}

// logSum is log Σ exp(values).
func logSum(values []float32) float64 {
	largest, sum := float64(values[argmax(values)]), 0.0
	for _, v := range values {
		sum += math.Exp(float64(v) - largest)
	}
	return largest + math.Log(sum)
}
