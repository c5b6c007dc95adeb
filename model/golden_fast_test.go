package model

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
)

// fastBound is what fast products may be wrong by, over the noise floor that was recorded:
// the distance of float32 from float64. Both are the same network's answer to rounding, with
// 2⁻⁹ here where float32 has 2⁻²⁴; and both are the worst of a few draws, hence the 2.
const fastBound = 2 * (1 << 15)

func fastDevice(t *testing.T) *kernels.CPU {
	t.Helper()
	if path := os.Getenv("NPINF_CPU"); !kernels.HasFastBF16() || path != "" && path != "avx512" {
		t.Skip("no fast bf16 products here")
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{FastBF16: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	return device
}

// TestGoldenFast holds every recorded point of the checkpoints that are stored in bfloat16
// to the bound.
func TestGoldenFast(t *testing.T) {
	device := fastDevice(t)
	stored, _ := filepath.Glob(filepath.Join(golden.Dir(t, "models"), "*", "*-bf16"))
	if len(stored) == 0 {
		t.Fatal("no checkpoint in bfloat16")
	}
	for _, folder := range stored {
		name := filepath.Base(filepath.Dir(folder)) + "/" + filepath.Base(folder)
		t.Run(name, func(t *testing.T) {
			c := openCheckpoint(t, folder, device)
			c.tolerance = fastBound * c.noise()
			for _, s := range c.expected.Sequences {
				c.checkPoints(s.Name, s.IDs)
			}
			t.Logf("%d tensors, worst row error %.1e of %.1e at %s", c.compared, c.worst, c.tolerance, c.worstAt)
			if !c.model.Info().RoundsInputs || c.worst < 1e-4 {
				t.Error("nothing was rounded")
			}
		})
	}
}

// noise is the largest recorded distance of float32 from float64.
func (c *checkpoint) noise() (floor float64) {
	for _, f := range c.expected.NoiseFloor {
		floor = max(floor, f)
	}
	return floor
}

// roundingError gathers what rounding does to one family.
type roundingError struct {
	worst, bound, sum float64 // row errors of residuals and logits
	rows, left        int     // left: rows behind one that chose other experts
	same, choices     int     // likeliest tokens
}

// TestFastOfEveryFamily compares fast products with exact ones on the weights of every
// checkpoint as bfloat16. Exact products are held to the recorded values by TestGoldenModels.
func TestFastOfEveryFamily(t *testing.T) {
	exact := Options{Device: cpu(t), DType: "bfloat16", Borrow: true}
	fast := exact
	fast.Device = fastDevice(t)
	measureFamilies(t, fastBound, fast, exact)
}

// measureFamilies compares two ways to load every checkpoint, of which the second is exact.
// bound is how much worse the first may be than float32 is.
func measureFamilies(t *testing.T, bound float64, rounded, exact Options) map[string]*roundingError {
	t.Helper()
	folders, _ := filepath.Glob(filepath.Join(golden.Dir(t, "models"), "*", "*", "config.json"))
	families := map[string]*roundingError{}
	for _, path := range folders {
		folder := filepath.Dir(path)
		family := filepath.Base(filepath.Dir(folder))
		if family == refusedFamily {
			continue
		}
		if families[family] == nil {
			families[family] = &roundingError{}
		}
		t.Run(family+"/"+filepath.Base(folder), func(t *testing.T) { families[family].measure(t, folder, bound, [2]Options{rounded, exact}) })
	}
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f := families[name]
		t.Logf("%-12s mean %.4f, worst %.3f of %.3f; likeliest token the same in %d of %d rows; %d rows left out", name,
			f.sum/float64(f.rows), f.worst, f.bound, f.same, f.choices, f.left)
	}
	return families
}

func (f *roundingError) measure(t *testing.T, folder string, factor float64, ways [2]Options) {
	c := &checkpoint{t: t}
	golden.ReadJSON(t, filepath.Join(folder, "expected.json"), &c.expected)
	bound, runs, device := factor*c.noise(), [2]*Sequence{}, ways[1].Device
	for _, s := range c.expected.Sequences {
		for i, options := range ways {
			m, err := Load(context.Background(), dirFiles(folder), options)
			if err != nil {
				t.Fatal(err)
			}
			runs[i] = tapped(m, s.IDs)
			mustForward(t, m, runs[i])
			if hidesRoutes(m) {
				bound = math.Inf(1)
			}
			m.Close()
		}
		same := sameRoute(device, runs)
		f.left += len(s.IDs) - same
		for i, tap := range runs[0].Taps {
			if tap.Point == ResidPost {
				f.compare(t, fmt.Sprint(s.Name, " ", tap.Address), bound, same, tap.Out.Width, valuesOf(device, tap.Out), valuesOf(device, runs[1].Taps[i].Out))
			}
		}
		got, want, width := valuesOf(device, runs[0].Logits), valuesOf(device, runs[1].Logits), runs[0].Logits.Width
		f.compare(t, s.Name+" logits", bound, same, width, got, want)
		for ; len(got) > 0; got, want = got[width:], want[width:] {
			f.choices++
			if argmax(got[:width]) == argmax(want[:width]) {
				f.same++
			}
		}
	}
}

// tapped reads what leaves every block, and which experts each row chose.
func tapped(m *Model, ids []int) *Sequence {
	s := &Sequence{Tokens: ids, Want: AllLogits}
	for layer := range m.Info().Layers {
		for _, point := range []Point{ResidPost, ExpertIndices} {
			if address := (Address{point, layer}); m.Check(address) == nil {
				s.Taps = append(s.Taps, &Tap{Address: address, Head: -1})
			}
		}
	}
	return s
}

// hidesRoutes reports whether no point tells which experts a row chose.
func hidesRoutes(m *Model) bool {
	for layer := range m.arch.blocks {
		if m.arch.blocks[layer].anyExperts() != nil && m.Check(Address{ExpertIndices, layer}) != nil {
			return true
		}
	}
	return false
}

// sameRoute counts the rows in front of the first that chose other experts in the second run:
// from there on another network answers, and no bound on rounding holds.
func sameRoute(device kernels.Device, runs [2]*Sequence) int {
	same := runs[0].Logits.Rows
	for i, tap := range runs[0].Taps {
		if tap.Point != ExpertIndices {
			continue
		}
		a, b := valuesOf(device, tap.Out), valuesOf(device, runs[1].Taps[i].Out)
		for row := range same {
			chosen := [2][]float32{slices.Clone(a[row*tap.Out.Width : (row+1)*tap.Out.Width]), slices.Clone(b[row*tap.Out.Width : (row+1)*tap.Out.Width])}
			slices.Sort(chosen[0])
			slices.Sort(chosen[1])
			if !slices.Equal(chosen[0], chosen[1]) {
				same = row
				break
			}
		}
	}
	return same
}

// compare takes the first rows of two results.
func (f *roundingError) compare(t *testing.T, what string, bound float64, rows, width int, got, want []float32) {
	t.Helper()
	for row := range rows {
		distance := rowError(got[row*width:(row+1)*width], want[row*width:(row+1)*width], 0)
		if distance > f.worst {
			f.worst, f.bound = distance, bound
		}
		f.sum += distance
		f.rows++
		if !(distance <= bound) {
			t.Errorf("%s, row %d: relative error %.3g, bound %.3g", what, row, distance, bound)
		}
	}
}
