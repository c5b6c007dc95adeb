package model

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
)

// TestGoldenFastReal says what fast products do to trained models, against the recorded
// values: the error of the last logits, and how the ten likeliest tokens and their
// log-probabilities change; and against exact products how often the likeliest token of a
// position changes. NPINF_REAL_MODELS names the models' folder.
func TestGoldenFastReal(t *testing.T) {
	root := golden.Dir(t, "real")
	models := os.Getenv("NPINF_REAL_MODELS")
	if models == "" {
		golden.Missing(t, "set NPINF_REAL_MODELS to a folder with the real models' files")
	}
	device, exact := fastDevice(t), cpu(t)
	expectations, _ := filepath.Glob(filepath.Join(root, "*", "expected.json"))
	for _, path := range expectations {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name, func(t *testing.T) {
			var both [2]*Model
			for i, d := range []*kernels.CPU{device, exact} {
				m, err := Load(context.Background(), dirFiles(filepath.Join(models, name)), Options{Device: d, DType: "bfloat16", Borrow: true})
				if err != nil {
					golden.Missing(t, err.Error())
				}
				defer m.Close()
				both[i] = m
			}
			var expected struct{ Cases []realCase }
			golden.ReadJSON(t, path, &expected)
			c := &checkpoint{t: t, model: both[0], device: device, tensors: readTensors(t, filepath.Join(filepath.Dir(path), "expected.safetensors"))}
			same, positions := 0, 0
			for i := range expected.Cases {
				c.measureFastReal(&expected.Cases[i])
				if ids := expected.Cases[i].IDs; len(ids) <= 64 {
					same += sameChoices(t, both, ids)
					positions += len(ids)
				}
			}
			t.Logf("likeliest token the same at %d of %d positions", same, positions)
			if same*10 < positions*9 {
				t.Error("fewer than nine in ten")
			}
		})
	}
}

func (c *checkpoint) measureFastReal(r *realCase) {
	s := &Sequence{Tokens: r.IDs, Want: LastLogits}
	mustForward(c.t, c.model, s)
	logits := c.download(s.Logits)
	recorded, err := c.tensors[r.ID+"/logits"].Floats()
	if err != nil {
		c.t.Fatal(err)
	}
	strided := make([]float32, 0, len(recorded))
	for i := 0; i < len(logits); i += r.Stride {
		strided = append(strided, logits[i])
	}
	distance := rowError(strided, recorded, 0)
	order, sum := make([]int, len(logits)), 0.0
	for i, v := range logits {
		order[i] = i
		sum += math.Exp(float64(v))
	}
	sort.SliceStable(order, func(a, b int) bool { return logits[order[a]] > logits[order[b]] })
	rank, together, furthest := map[int]int{}, 0, 0.0
	for i, id := range order[:len(r.Top10)] {
		rank[id] = i + 1
	}
	for _, choice := range r.Top10 {
		if rank[int(choice[0])] > 0 {
			together++
		}
		furthest = max(furthest, math.Abs(float64(logits[int(choice[0])])-math.Log(sum)-choice[1]))
	}
	first := rank[int(r.Top10[0][0])]
	c.t.Logf("%-7s %3d tokens: logits differ by %.4f, likeliest token is number %d, %d of %d likeliest shared, their log-probabilities within %.3f",
		r.ID, len(r.IDs), distance, first, together, len(r.Top10), furthest)
	if bound := fastBound * r.Noise["logits"]; !(distance <= bound) || distance < 1e-5 {
		c.t.Errorf("%s: logits differ by %.4f, bound %.4f", r.ID, distance, bound)
	}
	margin := r.Top10[0][1] - r.Top10[1][1]
	if first != 1 && margin > 2*furthest {
		c.t.Errorf("%s: the likeliest token is number %d, although it led by %.3f", r.ID, first, margin)
	}
}

// sameChoices counts the positions of a text at which two models prefer the same token.
func sameChoices(t *testing.T, both [2]*Model, ids []int) (same int) {
	t.Helper()
	var choices [2][]int
	for i, m := range both {
		s := &Sequence{Tokens: ids, Want: AllLogits}
		mustForward(t, m, s)
		values, width := valuesOf(m.device, s.Logits), s.Logits.Width
		for row := range ids {
			choices[i] = append(choices[i], argmax(values[row*width:(row+1)*width]))
		}
	}
	for row, choice := range choices[0] {
		if choice == choices[1][row] {
			same++
		}
	}
	return same
}
