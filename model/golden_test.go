package model

import (
	"bytes"
	"context"
	"fmt"
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
		Prompt   string
		Tokens   []int
		Uncached []int `json:"tokens_without_cache"`
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
	Ops          []steeringOp
	Greedy       []int
}

type steeringOp struct {
	Vector, Point, Method string
	Layer                 int
	Coeff                 float64
	Min, Max              *float64
	Normalize             bool
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

// refusedFamily is refused by its name: no machine without an accelerator holds its models.
const refusedFamily = "deepseek_v4"

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
			t.Run(name, func(t *testing.T) {
				if family != refusedFamily || !strings.Contains(err.Error(), family) || !strings.Contains(err.Error(), "supported: ") {
					t.Error(err)
				}
			})
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
	t.Logf("%d checkpoints compared, %d refused", supported, skipped)
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
	c.checkGreedyUncached()
	c.checkGreedyTogether()
	c.checkChunks()
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
