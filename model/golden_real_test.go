package model

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
)

// realCase is one prompt of a real model's expected.json.
type realCase struct {
	ID        string
	IDs, Rows []int
	Greedy    []int        `json:"greedy_ids"`
	Gaps      []float64    `json:"greedy_gaps"`
	Top10     [][2]float64 `json:"top10"`
	Sum       float64      `json:"logsumexp"`
	MeanNLL   float64      `json:"mean_nll"`
	Noise     map[string]float64
	Stride    int `json:"logit_stride"`
}

// TestGoldenRealModels compares trained models with their recorded activations, top
// choices and greedy continuations. NPINF_REAL_MODELS names the folder that holds them,
// one subfolder per folder of the golden data.
func TestGoldenRealModels(t *testing.T) {
	root := golden.Dir(t, "real")
	models := os.Getenv("NPINF_REAL_MODELS")
	if models == "" {
		golden.Missing(t, "set NPINF_REAL_MODELS to a folder with the real models' files")
	}
	expectations, _ := filepath.Glob(filepath.Join(root, "*", "expected.json"))
	if len(expectations) == 0 {
		t.Fatal("no real models in " + root)
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{Path: os.Getenv("NPINF_CPU")})
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	for _, path := range expectations {
		name := filepath.Base(filepath.Dir(path))
		t.Run(name+"/"+device.Path(), func(t *testing.T) {
			folder := filepath.Join(models, name)
			if _, err := os.Stat(folder); err != nil {
				golden.Missing(t, "no "+name+" in NPINF_REAL_MODELS")
			}
			m, err := Load(context.Background(), dirFiles(folder), Options{Device: device, Borrow: true})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var expected struct{ Cases []realCase }
			golden.ReadJSON(t, path, &expected)
			c := &checkpoint{t: t, model: m, device: device,
				tensors: readTensors(t, filepath.Join(filepath.Dir(path), "expected.safetensors"))}
			for i := range expected.Cases {
				c.checkReal(&expected.Cases[i])
			}
			t.Logf("%d tensors compared, worst row error %.2e at %s", c.compared, c.worst, c.worstAt)
			if c.compared == 0 {
				t.Fatal("nothing was compared")
			}
		})
	}
}

func (c *checkpoint) checkReal(r *realCase) {
	s := &Sequence{Tokens: r.IDs, Want: LastLogits}
	stored := map[*Tap]string{}
	for name := range c.tensors {
		point, ok := strings.CutPrefix(name, r.ID+"/")
		if !ok || point == "logits" {
			continue
		}
		tap := realTap(c.t, point)
		tap.Rows = r.Rows
		s.Taps = append(s.Taps, tap)
		stored[tap] = point
	}
	if err := c.model.Forward(context.Background(), []*Sequence{s}); err != nil {
		c.t.Fatal(err)
	}
	for tap, point := range stored {
		c.tolerance = max(2e-5, 10*r.Noise[point])
		c.compare(r.ID+" "+point, r.ID+"/"+point, tap.Out)
		c.device.Release(tap.Out)
	}
	logits := c.download(s.Logits)
	c.checkStridedLogits(r, logits)
	c.checkChoices(r, logits)
	if len(r.IDs) <= 64 {
		c.checkMeanNLL(r)
	}
	got := c.greedy(r.IDs, len(r.IDs), len(r.Greedy), nil)
	for i := range got {
		if r.Gaps[i] < 1e-3 {
			break // either may win
		}
		if got[i] != r.Greedy[i] {
			c.t.Errorf("%s: greedy token %d is %d, want %d", r.ID, i, got[i], r.Greedy[i])
			break
		}
	}
}

// realTap reads "resid_post.8" or "attn_probs.5.1" (layer, head).
func realTap(t *testing.T, name string) *Tap {
	parts := strings.Split(name, ".")
	tap := &Tap{Head: -1}
	numbers := make([]int, len(parts))
	for i, part := range parts[1:] {
		number, err := strconv.Atoi(part)
		if err != nil {
			t.Fatalf("tensor name %q: %v", name, err)
		}
		numbers[i+1] = number
	}
	tap.Address = Address{Point(parts[0]), numbers[1]}
	if len(parts) == 3 {
		tap.Head = numbers[2]
	}
	return tap
}

func (c *checkpoint) checkStridedLogits(r *realCase, logits []float32) {
	expected, err := c.tensors[r.ID+"/logits"].Floats()
	if err != nil {
		c.t.Fatal(err)
	}
	strided := make([]float32, 0, len(expected))
	for i := 0; i < len(logits); i += r.Stride {
		strided = append(strided, logits[i])
	}
	if len(strided) != len(expected) {
		c.t.Fatalf("%s: %d logits at stride %d, want %d", r.ID, len(strided), r.Stride, len(expected))
	}
	if distance := rowError(strided, expected, 0); !(distance <= max(2e-5, 10*r.Noise["logits"])) {
		c.t.Errorf("%s: logits differ by %.3g", r.ID, distance)
	}
	c.compared++
}

// checkChoices compares the ten best tokens; neighbours nearer than 1e-4 may swap.
func (c *checkpoint) checkChoices(r *realCase, logits []float32) {
	order := make([]int, len(logits))
	sum := 0.0
	for i := range order {
		order[i] = i
		sum += math.Exp(float64(logits[i]))
	}
	if !(math.Abs(math.Log(sum)-r.Sum) < 1e-3) {
		c.t.Errorf("%s: logsumexp %.5f, want %.5f", r.ID, math.Log(sum), r.Sum)
	}
	sort.SliceStable(order, func(a, b int) bool { return logits[order[a]] > logits[order[b]] })
	for i, want := range r.Top10 {
		logprob := float64(logits[order[i]]) - math.Log(sum)
		if !(math.Abs(logprob-want[1]) < 5e-4) {
			c.t.Errorf("%s: choice %d has logprob %.5f, want %.5f", r.ID, i, logprob, want[1])
		}
		if own := float64(logits[int(want[0])]) - math.Log(sum); order[i] != int(want[0]) && !(math.Abs(own-logprob) < 1e-4) {
			c.t.Errorf("%s: choice %d is %d, want %d", r.ID, i, order[i], int(want[0]))
		}
	}
}

func (c *checkpoint) checkMeanNLL(r *realCase) {
	s := &Sequence{Tokens: r.IDs, Want: AllLogits}
	if err := c.model.Forward(context.Background(), []*Sequence{s}); err != nil {
		c.t.Fatal(err)
	}
	width := s.Logits.Width
	logits := c.download(s.Logits)
	total := 0.0
	for i, next := range r.IDs[1:] {
		row := logits[i*width : (i+1)*width]
		sum := 0.0
		for _, v := range row {
			sum += math.Exp(float64(v))
		}
		total += math.Log(sum) - float64(row[next])
	}
	if mean := total / float64(len(r.IDs)-1); !(math.Abs(mean-r.MeanNLL) < 1e-4) {
		c.t.Errorf("%s: mean negative log-likelihood %.6f, want %.6f", r.ID, mean, r.MeanNLL)
	}
}
