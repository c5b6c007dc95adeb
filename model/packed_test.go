package model

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"npinf/internal/golden"
	"npinf/kernels"
)

func TestMXFP4Widens(t *testing.T) {
	// Two experts of two rows of 32 inputs; the second expert's rows have two exponents.
	m := mxfp4{out: 2, groups: 1, in: 32, scales: []byte{127, 127, 125, 130}, blocks: make([]byte, 4*16)}
	for i := range m.blocks {
		m.blocks[i] = byte(i)
	}
	got := make([]byte, 2*2*32)
	m.widen(got, 1, []int{1, 0})
	for i := range 64 {
		row, input := 1-i/32, i%32
		nibble := m.blocks[(2+row)*16+input/2] >> (4 * (input % 2)) & 15
		want := float32(math.Ldexp(e2m1[nibble], int(m.scales[2+row])-127))
		value := math.Float32frombits(uint32(binary.LittleEndian.Uint16(got[2*i:])) << 16)
		if math.Float32bits(value) != math.Float32bits(want) {
			t.Errorf("value %d is %g, want %g", i, value, want)
		}
	}
}

func TestExpertCacheKeepsWithinItsLimit(t *testing.T) {
	c := newExpertCache(250)
	experts := make([]mlp, 4)
	first, second := c.acquire(&experts[0], 100), c.acquire(&experts[1], 100)
	c.release(second)
	if again := c.acquire(&experts[0], 100); again != first || c.widened != 2 {
		t.Error("a resident expert was widened again")
	}
	third := c.acquire(&experts[2], 100) // the second, which is idle, makes room
	if c.held != 200 || c.entries[&experts[1]] != nil {
		t.Errorf("%d bytes held, experts %v", c.held, c.entries)
	}
	if &third.data[0] != &second.data[0] {
		t.Error("the memory of an expert that went is not used again")
	}
	fourth := c.acquire(&experts[3], 100)
	if c.held != 300 {
		t.Errorf("%d bytes held although three experts are in use", c.held)
	}
	for _, entry := range []*widenedExpert{first, first, third, fourth} {
		c.release(entry)
	}
	if c.held != 200 || c.widened != 4 {
		t.Errorf("%d bytes held after the work, %d experts widened", c.held, c.widened)
	}
}

// weightCounter is a device that remembers which weights were multiplied with.
type weightCounter struct {
	kernels.Device
	used map[*kernels.Weight]int
}

func (d weightCounter) Linear(dst, x kernels.Buffer, w *kernels.Weight, bias kernels.Buffer, add bool) {
	d.used[w]++
	d.Device.Linear(dst, x, w, bias, add)
}

func (d weightCounter) Linears(x kernels.Buffer, products []kernels.Product) {
	for _, p := range products {
		d.used[p.W]++
	}
	d.Device.Linears(x, products)
}

// TestOnlyChosenExpertsAreRead runs a sparse model and counts: every matrix of an expert
// that a row chose is read once, and none of the others.
func TestOnlyChosenExpertsAreRead(t *testing.T) {
	device := weightCounter{cpu(t), map[*kernels.Weight]int{}}
	m := loadSmall(t, smallMoE, device)
	var taps []*Tap
	for _, layer := range []int{1, 2} {
		taps = append(taps, &Tap{Address: Address{ExpertIndices, layer}, Head: -1})
	}
	mustForward(t, m, &Sequence{Tokens: []int{7, 3}, Taps: taps, Want: LastLogits})
	for _, tap := range taps {
		var chosen []int
		for _, index := range valuesOf(device, tap.Out) {
			chosen = append(chosen, int(index))
		}
		for index, expert := range m.arch.blocks[tap.Layer].experts.each {
			want := 0
			if slices.Contains(chosen, index) {
				want = 1
			}
			for _, l := range []*linear{expert.gate, expert.up, expert.down} {
				if got := device.used[l.weight]; got != want {
					t.Errorf("layer %d chose %v, but %s was read %d times", tap.Layer, chosen, l.name, got)
				}
			}
		}
	}
}

// TestGoldenPackedExperts computes with a cache that holds every expert and with one that
// holds none longer than it is used: the same bits, and only chosen experts widened.
func TestGoldenPackedExperts(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(golden.Dir(t, "models"), "*", "*mxfp4*"))
	if err != nil || len(folders) == 0 {
		golden.Missing(t, "no checkpoint with packed experts")
	}
	for _, folder := range folders {
		var results [2][]float32
		for i, bytes := range []int64{1 << 30, 1} {
			device := cpu(t)
			m, err := Load(context.Background(), dirFiles(folder), Options{Device: device, ExpertBytes: bytes})
			if err != nil {
				t.Fatal(err)
			}
			tap := &Tap{Address: Address{ExpertIndices, 0}, Head: -1}
			sequence := &Sequence{Tokens: []int{5}, Taps: []*Tap{tap}, Want: LastLogits}
			mustForward(t, m, sequence)
			results[i] = valuesOf(device, sequence.Logits)
			cache := m.arch.blocks[0].experts.packed.cache
			if most := int64(len(m.arch.blocks) * m.arch.blocks[0].experts.chosen); cache.widened != most || i == 1 && cache.held != 0 {
				t.Errorf("%s: %d experts widened, want %d; %d bytes held", folder, cache.widened, most, cache.held)
			}
			m.Close()
		}
		if !slices.Equal(results[0], results[1]) {
			t.Errorf("%s: the size of the cache changes the result", folder)
		}
		if info, err := os.Stat(filepath.Join(folder, "model.safetensors")); err == nil {
			m, _ := Load(context.Background(), dirFiles(folder), Options{Device: cpu(t)})
			if m.Info().WeightBytes > info.Size()+info.Size()/10 { // norms and biases are widened
				t.Errorf("%s: weights of %d bytes from a file of %d", folder, m.Info().WeightBytes, info.Size())
			}
			m.Close()
		}
	}
}

// BenchmarkWiden widens one matrix of an expert as large as those of gpt-oss-20b.
func BenchmarkWiden(b *testing.B) {
	m := mxfp4{out: 2880, groups: 90, in: 2880, blocks: make([]byte, 2880*90*16), scales: make([]byte, 2880*90)}
	for i := range m.scales {
		m.scales[i] = byte(118 + i%12)
	}
	rows, _ := partRows(2880, false)
	data := make([]byte, 2*2880*2880)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		m.widen(data, 0, rows)
	}
}
