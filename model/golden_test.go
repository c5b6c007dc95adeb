package model

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
	"npinf/weights"
)

// dirFiles is a folder as a repository.
type dirFiles string

func (d dirFiles) Has(path string) bool {
	_, err := os.Stat(filepath.Join(string(d), path))
	return err == nil
}

func (d dirFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	data, err := os.ReadFile(filepath.Join(string(d), path))
	return data, func() {}, err
}

// testDevices makes a device for every CPU path of this machine, or for the one that
// NPINF_CPU names.
func testDevices(t *testing.T) []*kernels.CPU {
	t.Helper()
	names := []string{"generic", "avx2", "avx512"}
	if only := os.Getenv("NPINF_CPU"); only != "" {
		names = []string{only}
	}
	var devices []*kernels.CPU
	for _, name := range names {
		if len(names) > 1 && !kernels.HasPath(name) {
			continue
		}
		device, err := kernels.NewCPU(kernels.CPUOptions{Path: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(device.Close)
		devices = append(devices, device)
	}
	return devices
}

// expectation is expected.json of one checkpoint.
type expectation struct {
	Sequences []struct {
		Name string
		IDs  []int
		Full bool
	}
	NoiseFloor map[string]float64           `json:"noise_floor"`
	Aliases    map[string]map[string]string // by layer or "all"
	Absent     map[string][]string
	Greedy     []struct {
		Prompt string
		Tokens []int
	}
	Top5 []struct {
		Seq      string
		IDs      []int
		Logprobs []float64
	} `json:"top5_last"`
	Steering []steeringCase
}

type steeringCase struct {
	Name, Prompt string
	Excluded     []int `json:"excluded_positions"`
	Ops          []struct {
		Vector, Point, Method string
		Layer                 int
		Coeff                 float64
		Min, Max              *float64
		Normalize             bool
	}
	Greedy []int
}

// checkpoint is one folder of the golden models, loaded.
type checkpoint struct {
	t         *testing.T
	model     *Model
	device    kernels.Device
	expected  expectation
	tensors   map[string]weights.Tensor
	tolerance float64
	worst     float64
	worstAt   string
	compared  int
}

func TestGoldenModels(t *testing.T) {
	root := golden.Dir(t, "models")
	devices := testDevices(t)
	folders, err := filepath.Glob(filepath.Join(root, "*", "*", "config.json"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no checkpoints in %s: %v", root, err)
	}
	worst := map[string]string{}
	worstError := map[string]float64{}
	supported, skipped := 0, 0
	for _, path := range folders {
		folder := filepath.Dir(path)
		family := filepath.Base(filepath.Dir(folder))
		name := family + "/" + filepath.Base(folder)
		if _, err := Plan(context.Background(), dirFiles(folder)); err != nil && strings.Contains(err.Error(), "model_type") {
			skipped++
			t.Run(name, func(t *testing.T) { t.Skip("family not supported yet: " + err.Error()) })
			continue
		}
		supported++
		for _, device := range devices {
			t.Run(name+"/"+device.Path(), func(t *testing.T) {
				c := openCheckpoint(t, folder, device)
				c.checkAll()
				if c.worst >= worstError[family] {
					worstError[family] = c.worst
					worst[family] = fmt.Sprintf("%.2e of %.0e at %s %s (%s)", c.worst, c.tolerance, name, c.worstAt, device.Path())
				}
			})
		}
	}
	names := make([]string, 0, len(worst))
	for family := range worst {
		names = append(names, family)
	}
	sort.Strings(names)
	for _, family := range names {
		t.Logf("%-12s worst row error %s", family, worst[family])
	}
	t.Logf("%d checkpoints compared, %d of families not supported", supported, skipped)
	if supported == 0 {
		t.Fatal("no checkpoint of a supported family")
	}
}

func openCheckpoint(t *testing.T, folder string, device kernels.Device) *checkpoint {
	t.Helper()
	m, err := Load(context.Background(), dirFiles(folder), Options{Device: device, DType: "auto", Borrow: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	c := &checkpoint{t: t, model: m, device: device, tolerance: 2e-5}
	golden.ReadJSON(t, filepath.Join(folder, "expected.json"), &c.expected)
	for _, floor := range c.expected.NoiseFloor {
		c.tolerance = max(c.tolerance, 10*floor)
	}
	c.tensors = readTensors(t, filepath.Join(folder, "expected.safetensors"))
	return c
}

func readTensors(t *testing.T, path string) map[string]weights.Tensor {
	t.Helper()
	file, err := weights.ParseSafetensors(golden.ReadFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]weights.Tensor{}
	for _, tensor := range file.Tensors {
		tensors[tensor.Name] = tensor
	}
	return tensors
}

func (c *checkpoint) checkAll() {
	for _, s := range c.expected.Sequences {
		c.checkPoints(s.Name, s.IDs)
	}
	c.checkAbsent()
	c.checkTop5()
	c.checkGreedy()
	c.checkRagged()
	for i := range c.expected.Steering {
		c.checkSteering(&c.expected.Steering[i])
	}
	if c.compared == 0 {
		c.t.Fatal("nothing was compared")
	}
}

// ids returns the tokens of a named sequence.
func (c *checkpoint) ids(name string) []int {
	for _, s := range c.expected.Sequences {
		if s.Name == name {
			return s.IDs
		}
	}
	c.t.Fatalf("no sequence %q", name)
	return nil
}

// addressOf turns "blocks.2.resid_post" or "embeddings" into an address.
func addressOf(t *testing.T, name string) Address {
	rest, inBlock := strings.CutPrefix(name, "blocks.")
	if !inBlock {
		return Address{Point(name), -1}
	}
	layer, point, _ := strings.Cut(rest, ".")
	number, err := strconv.Atoi(layer)
	if err != nil {
		t.Fatalf("point name %q: %v", name, err)
	}
	return Address{Point(point), number}
}

// checkPoints compares every stored point of a sequence, its aliases and its logits.
func (c *checkpoint) checkPoints(sequence string, ids []int) {
	s := &Sequence{Tokens: ids, Want: AllLogits}
	want := map[*Tap]string{} // stored name
	tap := func(address Address, stored string) {
		t := &Tap{Address: address, Head: -1}
		s.Taps = append(s.Taps, t)
		want[t] = stored
	}
	lens := map[int]string{}
	for name := range c.tensors {
		point, ok := strings.CutPrefix(name, sequence+"/")
		if !ok || point == "logits" || strings.Contains(point, ".extra.") {
			continue
		}
		address := addressOf(c.t, point)
		if address.Point == "lens_logits" {
			lens[address.Layer] = name
			continue
		}
		if address.Point == FinalNorm && c.model.Check(address) != nil {
			c.expectMisread(sequence)
			continue
		}
		tap(address, name)
		for _, alias := range c.aliasesOf(address) {
			tap(alias, name)
		}
	}
	if err := c.model.Forward(context.Background(), []*Sequence{s}); err != nil {
		c.t.Fatal(err)
	}
	for tap, stored := range want {
		c.compare(tap.String(), stored, tap.Out)
		if tap.Point == ResidPost && lens[tap.Layer] != "" {
			logits := c.model.Decode(tap.Out)
			c.compare(fmt.Sprintf("lens_logits.%d", tap.Layer), lens[tap.Layer], logits)
			c.device.Release(logits)
		}
		c.device.Release(tap.Out)
	}
	c.compare("logits", sequence+"/logits", s.Logits)
	c.device.Release(s.Logits)
}

// expectMisread accepts a recorded final_norm of a model that has none (OPT-350m) only as
// what it is: the reference looks for a module by name and finds the one in block 0.
func (c *checkpoint) expectMisread(sequence string) {
	recorded, block0 := c.tensors[sequence+"/final_norm"], c.tensors[sequence+"/blocks.0.resid_post"]
	if !bytes.Equal(recorded.Data, block0.Data) {
		c.t.Errorf("%s/final_norm is refused, but recorded", sequence)
	}
}

// aliasesOf lists the points that are another name of a stored one.
func (c *checkpoint) aliasesOf(stored Address) []Address {
	var aliases []Address
	for layer, table := range c.expected.Aliases {
		if layer != "all" && layer != strconv.Itoa(stored.Layer) {
			continue
		}
		for alias, target := range table {
			if target == string(stored.Point) {
				aliases = append(aliases, Address{Point(alias), stored.Layer})
			}
		}
	}
	return aliases
}

// compare checks a buffer row by row; hidden entries of attn_scores are left out.
func (c *checkpoint) compare(what, stored string, got kernels.Buffer) {
	c.t.Helper()
	tensor, ok := c.tensors[stored]
	if !ok {
		c.t.Fatalf("no expected tensor %s", stored)
	}
	expected, err := tensor.Floats()
	if err != nil {
		c.t.Fatal(err)
	}
	if got.Rows*got.Width != len(expected) {
		c.t.Errorf("%s (%s): got [%d, %d], want %v", what, stored, got.Rows, got.Width, tensor.Shape)
		return
	}
	values := make([]float32, len(expected))
	c.device.Download(values, got)
	width, typical := got.Width, 0.0
	if strings.HasSuffix(stored, string(AttnScores)) {
		typical = rootMeanSquare(expected)
	}
	for row := 0; row < got.Rows; row++ {
		a, b := values[row*width:(row+1)*width], expected[row*width:(row+1)*width]
		distance := rowError(a, b, typical)
		if distance > c.worst {
			c.worst, c.worstAt = distance, stored
		}
		if !(distance <= c.tolerance) {
			c.t.Errorf("%s (%s) row %d: relative error %.3g, tolerance %.3g", what, stored, row, distance, c.tolerance)
			return
		}
	}
	c.compared++
}

// rowError is ‖a-b‖/‖b‖ over the entries that are not hidden by a mask. Each entry of b
// counts as no smaller than typical: an early row of attn_scores is a single dot product,
// which may cancel to almost nothing and then has no digits to compare.
func rowError(a, b []float32, typical float64) float64 {
	difference, norm, least := 0.0, 0.0, 0.0
	for i := range b {
		if b[i] < hidden {
			if !(a[i] < hidden) {
				return math.Inf(1) // seen, although hidden
			}
			continue
		}
		d := float64(a[i]) - float64(b[i])
		difference += d * d
		norm += float64(b[i]) * float64(b[i])
		least += typical * typical
	}
	if difference == 0 {
		return 0
	}
	return math.Sqrt(difference / max(norm, least))
}

// hidden is what masked scores lie below.
const hidden = -1e38

// rootMeanSquare is taken over the visible entries.
func rootMeanSquare(values []float32) float64 {
	sum, count := 0.0, 0
	for _, v := range values {
		if v > hidden {
			sum += float64(v) * float64(v)
			count++
		}
	}
	return math.Sqrt(sum / float64(max(count, 1)))
}

func (c *checkpoint) checkAbsent() {
	layers := c.model.Info().Layers
	for key, points := range c.expected.Absent {
		for layer := range layers {
			if key != "all" && key != strconv.Itoa(layer) {
				continue
			}
			for _, point := range points {
				if err := c.model.Check(Address{Point(point), layer}); err == nil {
					c.t.Errorf("%s.%d is served, but the family has no such point", point, layer)
				}
			}
		}
	}
}

// lastLogits runs tokens with a cache and returns the last row's logits.
func (c *checkpoint) lastLogits(cache *Cache, tokens []int, edits []Edit) []float32 {
	s := &Sequence{Tokens: tokens, Cache: cache, Want: LastLogits, Edits: edits}
	if err := c.model.Forward(context.Background(), []*Sequence{s}); err != nil {
		c.t.Fatal(err)
	}
	return c.download(s.Logits)
}

func (c *checkpoint) download(b kernels.Buffer) []float32 {
	values := make([]float32, b.Rows*b.Width)
	c.device.Download(values, b)
	c.device.Release(b)
	return values
}

func argmax(values []float32) int {
	best := 0
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

func (c *checkpoint) checkTop5() {
	for _, top := range c.expected.Top5 {
		logits := c.lastLogits(nil, c.ids(top.Seq), nil)
		order := make([]int, len(logits))
		sum := 0.0
		for i := range order {
			order[i] = i
			sum += math.Exp(float64(logits[i]))
		}
		sort.SliceStable(order, func(a, b int) bool { return logits[order[a]] > logits[order[b]] })
		for i, id := range top.IDs {
			logprob := float64(logits[order[i]]) - math.Log(sum)
			if order[i] != id || !(math.Abs(logprob-top.Logprobs[i]) < 1e-3) {
				c.t.Errorf("%s: choice %d is %d (%.5f), want %d (%.5f)", top.Seq, i, order[i], logprob, id, top.Logprobs[i])
			}
		}
	}
}

// checkGreedy decodes with a cache, the prompt at once and in chunks of every size to 4.
func (c *checkpoint) checkGreedy() {
	for _, g := range c.expected.Greedy {
		prompt := c.ids(g.Prompt)
		for _, chunk := range []int{len(prompt), 1, 3} {
			got := c.greedy(prompt, chunk, len(g.Tokens), nil)
			if fmt.Sprint(got) != fmt.Sprint(g.Tokens) {
				c.t.Errorf("greedy after %s in chunks of %d: got %v, want %v", g.Prompt, chunk, got, g.Tokens)
			}
		}
	}
}

func (c *checkpoint) greedy(prompt []int, chunk, count int, edits []Edit) []int {
	cache := c.model.NewCache(0)
	defer cache.Release()
	var logits []float32
	for start := 0; start < len(prompt); start += chunk {
		logits = c.lastLogits(cache, prompt[start:min(start+chunk, len(prompt))], edits)
	}
	var tokens []int
	for {
		tokens = append(tokens, argmax(logits))
		if len(tokens) == count {
			return tokens
		}
		logits = c.lastLogits(cache, tokens[len(tokens)-1:], edits)
	}
}

// checkRagged runs all sequences in one batch, some with a cache and some reading early
// layers only, and expects what each gives alone.
func (c *checkpoint) checkRagged() {
	var batch []*Sequence
	for i, s := range c.expected.Sequences {
		sequence := &Sequence{Tokens: s.IDs, Want: AllLogits}
		if i%2 == 1 {
			sequence.Cache = c.model.NewCache(0)
		}
		early := &Tap{Address: Address{ResidPost, 0}}
		batch = append(batch, &Sequence{Tokens: s.IDs, Taps: []*Tap{early}}, sequence)
	}
	if err := c.model.Forward(context.Background(), batch); err != nil {
		c.t.Fatal(err)
	}
	for i, s := range c.expected.Sequences {
		tap, logits := batch[2*i].Taps[0].Out, batch[2*i+1].Logits
		c.compare("ragged batch", s.Name+"/blocks.0.resid_post", tap)
		c.compare("ragged batch", s.Name+"/logits", logits)
		c.device.Release(tap)
		c.device.Release(logits)
		if cache := batch[2*i+1].Cache; cache != nil {
			cache.Release()
		}
	}
}

// checkSteering applies a case's operations as edits.
func (c *checkpoint) checkSteering(s *steeringCase) {
	prompt := c.ids(s.Prompt)
	excluded := map[int]bool{}
	for _, position := range s.Excluded {
		excluded[position] = true
	}
	var edits []Edit
	for _, op := range s.Ops {
		vector, err := c.tensors[op.Vector].Floats()
		if err != nil {
			c.t.Fatal(err)
		}
		if op.Normalize || op.Method != "additive" {
			vector = unit(vector)
		}
		edits = append(edits, Edit{Address: Address{Point(op.Point), op.Layer},
			Apply: func(device kernels.Device, rows kernels.Buffer, positions []int) {
				values := make([]float32, rows.Rows*rows.Width)
				device.Download(values, rows)
				for r, position := range positions {
					if excluded[position] {
						continue
					}
					row := values[r*rows.Width : (r+1)*rows.Width]
					amount := float32(op.Coeff)
					projection := dot(row, vector)
					switch op.Method {
					case "orthogonal":
						amount = float32(op.Coeff-1) * projection
					case "projection_cap":
						low, high := math.Inf(-1), math.Inf(1)
						if op.Min != nil {
							low = *op.Min
						}
						if op.Max != nil {
							high = *op.Max
						}
						amount = float32(min(max(float64(projection), low), high)) - projection
					}
					for i := range row {
						row[i] += amount * vector[i]
					}
				}
				changed := device.Upload(rows.Rows, rows.Width, values)
				device.Copy(rows, changed)
				device.Release(changed)
			}})
	}
	sequence := &Sequence{Tokens: prompt, Want: AllLogits, Edits: edits}
	if err := c.model.Forward(context.Background(), []*Sequence{sequence}); err != nil {
		c.t.Errorf("%s: %v", s.Name, err)
		return
	}
	c.compare("steered logits", s.Name+"/logits", sequence.Logits)
	c.device.Release(sequence.Logits)
	if s.Greedy != nil {
		if got := c.greedy(prompt, len(prompt), len(s.Greedy), edits); fmt.Sprint(got) != fmt.Sprint(s.Greedy) {
			c.t.Errorf("%s: steered greedy %v, want %v", s.Name, got, s.Greedy)
		}
	}
}

func dot(a, b []float32) float32 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return float32(sum)
}

func unit(v []float32) []float32 {
	length := math.Sqrt(float64(dot(v, v)))
	out := make([]float32, len(v))
	for i := range v {
		out[i] = float32(float64(v[i]) / length)
	}
	return out
}
