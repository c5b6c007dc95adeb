package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"npinf/kernels"
)

var somePrompt = []int{5, 0, 39, 17, 17, 8, 21}

// tapAt makes a tap for all rows and heads.
func tapAt(point Point, layer int) *Tap { return &Tap{Address: Address{point, layer}, Head: -1} }

func sum(parts ...[]float32) []float32 {
	total := make([]float32, len(parts[0]))
	for _, part := range parts {
		for i, v := range part {
			total[i] += v
		}
	}
	return total
}

func TestResidualIdentities(t *testing.T) {
	device := cpu(t)
	for _, text := range append(smallConfigs, smallHybrid) {
		m := loadSmall(t, text, device)
		for layer := range m.Info().Layers {
			pre, post := tapAt(ResidPre, layer), tapAt(ResidPost, layer)
			attention, mlp := tapAt(AttnOutPost, layer), tapAt(MLPOutPost, layer)
			mustForward(t, m, &Sequence{Tokens: somePrompt, Taps: []*Tap{pre, post, attention, mlp}})
			near(t, fmt.Sprintf("%s resid_post.%d", m.Info().Family, layer), valuesOf(device, post.Out),
				sum(valuesOf(device, pre.Out), valuesOf(device, attention.Out), valuesOf(device, mlp.Out)))
			// Without taps the sublayers add straight into the stream: the result must not change.
			alone := tapAt(ResidPost, layer)
			mustForward(t, m, &Sequence{Tokens: somePrompt, Taps: []*Tap{alone}})
			near(t, "resid_post alone", valuesOf(device, alone.Out), valuesOf(device, post.Out))
		}
	}
}

func TestProbabilitiesTimesValuesAreZ(t *testing.T) {
	device := cpu(t)
	for _, text := range []string{smallLlama, smallNeoX} {
		m := loadSmall(t, text, device)
		info := m.Info()
		probs, values, z := tapAt(AttnProbs, 1), tapAt(HeadValues, 1), tapAt(Z, 1)
		mustForward(t, m, &Sequence{Tokens: somePrompt, Taps: []*Tap{probs, values, z}})
		p, v, n := valuesOf(device, probs.Out), valuesOf(device, values.Out), len(somePrompt)
		want := make([]float32, n*info.Heads*info.HeadDim)
		for h := range info.Heads {
			for q := range n {
				for k := range n {
					for d := range info.HeadDim {
						kv := h / (info.Heads / info.KVHeads)
						want[(q*info.Heads+h)*info.HeadDim+d] += p[(h*n+q)*n+k] * v[(k*info.KVHeads+kv)*info.HeadDim+d]
					}
				}
			}
		}
		near(t, info.Family+" z", valuesOf(device, z.Out), want)
	}
}

// TestSelectedRowsAndHeads takes parts of points and compares with the whole.
func TestSelectedRowsAndHeads(t *testing.T) {
	device := cpu(t)
	m := loadSmall(t, smallGemma, device)
	n := len(somePrompt)
	for _, point := range []Point{AttnProbs, AttnScores} {
		all := tapAt(point, 2)
		oneHead := &Tap{Address: all.Address, Head: 3}
		rows := &Tap{Address: all.Address, Head: -1, Rows: []int{6, 2}}
		cell := &Tap{Address: all.Address, Head: 1, Rows: []int{4}}
		mustForward(t, m, &Sequence{Tokens: somePrompt, Taps: []*Tap{all, oneHead, rows, cell}})
		whole := valuesOf(device, all.Out)
		row := func(head, query int) []float32 { return whole[(head*n+query)*n : (head*n+query+1)*n] }
		var head3, selected []float32
		for q := range n {
			head3 = append(head3, row(3, q)...)
		}
		for head := range 4 {
			selected = append(append(selected, row(head, 6)...), row(head, 2)...)
		}
		near(t, "one head", valuesOf(device, oneHead.Out), head3)
		near(t, "two rows", valuesOf(device, rows.Out), selected)
		near(t, "one cell", valuesOf(device, cell.Out), row(1, 4))
	}
	all, some := tapAt(MLPAct, 0), tapAt(MLPAct, 0)
	some.Rows = []int{3, 3, 0}
	last := &Sequence{Tokens: somePrompt, Taps: []*Tap{all, some}, Want: LastLogits}
	mustForward(t, m, last)
	whole, width := valuesOf(device, all.Out), all.Out.Width
	near(t, "mlp rows", valuesOf(device, some.Out),
		slices.Concat(whole[3*width:4*width], whole[3*width:4*width], whole[:width]))
	every := &Sequence{Tokens: somePrompt, Want: AllLogits}
	mustForward(t, m, every)
	vocabulary := every.Logits.Width
	near(t, "last logits", valuesOf(device, last.Logits), valuesOf(device, every.Logits)[(n-1)*vocabulary:])
}

// TestChunksAndBatches runs a prompt whole, in chunks behind a cache and beside others.
func TestChunksAndBatches(t *testing.T) {
	device := cpu(t)
	for _, text := range smallConfigs {
		m := loadSmall(t, text, device)
		whole := &Sequence{Tokens: somePrompt, Want: AllLogits}
		mustForward(t, m, whole)
		want, width := valuesOf(device, whole.Logits), whole.Logits.Width

		cache := m.NewCache(0)
		var got []float32
		for _, cut := range [][2]int{{0, 3}, {3, 4}, {4, 7}} {
			chunk := &Sequence{Tokens: somePrompt[cut[0]:cut[1]], Cache: cache, Want: AllLogits}
			other := &Sequence{Tokens: []int{1, 2}, Want: LastLogits}
			mustForward(t, m, other, chunk)
			got = append(got, valuesOf(device, chunk.Logits)...)
		}
		near(t, "chunks", got, want)

		if !cache.Truncate(4) {
			t.Fatal("a cache of keys and values cannot be truncated")
		}
		again := &Sequence{Tokens: somePrompt[4:], Cache: cache, Want: AllLogits}
		mustForward(t, m, again)
		near(t, "after truncation", valuesOf(device, again.Logits), want[4*width:])
		if cache.Len() != len(somePrompt) || cache.Bytes() == 0 {
			t.Errorf("cache holds %d positions in %d bytes", cache.Len(), cache.Bytes())
		}
		cache.Release()
		if cache.Len() != 0 || cache.Bytes() != 0 {
			t.Errorf("a released cache holds %d positions in %d bytes", cache.Len(), cache.Bytes())
		}
	}
}

// TestEditsActBeforeTaps changes every editable point and looks at it.
func TestEditsActBeforeTaps(t *testing.T) {
	device := cpu(t)
	for _, text := range smallConfigs {
		m := loadSmall(t, text, device)
		for _, row := range pointTable {
			address := Address{row.point, 1}
			if !row.inBlock() {
				address.Layer = -1
			}
			if !row.editable || m.Check(address) != nil {
				continue
			}
			plain, edited := tapAt(address.Point, address.Layer), tapAt(address.Point, address.Layer)
			before := &Sequence{Tokens: somePrompt, Taps: []*Tap{plain}, Want: LastLogits}
			mustForward(t, m, before)
			var seen []int
			edit := Edit{Address: address, Apply: func(d kernels.Device, rows kernels.Buffer, positions []int) {
				seen = positions
				d.Scale(rows, rows, 0.5)
			}}
			after := &Sequence{Tokens: somePrompt, Taps: []*Tap{edited}, Edits: []Edit{edit}, Want: LastLogits}
			bystander := &Sequence{Tokens: somePrompt, Want: LastLogits}
			mustForward(t, m, bystander, after)
			half := valuesOf(device, plain.Out)
			for i := range half {
				half[i] /= 2
			}
			near(t, "edited "+address.String(), valuesOf(device, edited.Out), half)
			near(t, "a bystander of an edit at "+address.String(), valuesOf(device, bystander.Logits), valuesOf(device, before.Logits))
			if !slices.Equal(seen, []int{0, 1, 2, 3, 4, 5, 6}) {
				t.Errorf("%s: positions %v", address, seen)
			}
			// A norm behind the edit undoes a factor, so only the points that no norm follows
			// must change the logits.
			if row.point == Z || row.point == MLPAct {
				a, b := valuesOf(device, after.Logits), valuesOf(device, before.Logits)
				if m.arch.blocks[1].attnPostNorm == nil && !(rowError(a, b, 0) > 1e-3) {
					t.Errorf("an edit at %s does not reach the logits", address)
				}
			}
		}
	}
}

// TestEditPositionsBehindACache counts on from the cached tokens.
func TestEditPositionsBehindACache(t *testing.T) {
	device := cpu(t)
	m := loadSmall(t, smallLlama, device)
	cache := m.NewCache(0)
	var seen []int
	edits := []Edit{{Address: Address{ResidPost, 0}, Apply: func(_ kernels.Device, _ kernels.Buffer, positions []int) {
		seen = append(seen, positions...)
	}}}
	mustForward(t, m, &Sequence{Tokens: somePrompt[:4], Cache: cache, Edits: edits})
	mustForward(t, m, &Sequence{Tokens: somePrompt[4:], Cache: cache, Edits: edits})
	if !slices.Equal(seen, []int{0, 1, 2, 3, 4, 5, 6}) {
		t.Errorf("positions %v", seen)
	}
}

func TestForwardRefuses(t *testing.T) {
	device := cpu(t)
	m := loadSmall(t, smallLlama, device)
	shared := m.NewCache(0)
	for _, c := range []struct {
		want  string
		batch []*Sequence
	}{
		{"at least one token", []*Sequence{{}}},
		{"token id 40 is out of range", []*Sequence{{Tokens: []int{40}}}},
		{"sequence 1: token id -1 is out of range", []*Sequence{{Tokens: []int{1}}, {Tokens: []int{-1}}}},
		{"share a cache", []*Sequence{{Tokens: []int{1}, Cache: shared}, {Tokens: []int{1}, Cache: shared}}},
		{"layer 3 of resid_post is out of range", []*Sequence{{Tokens: []int{1}, Taps: []*Tap{tapAt(ResidPost, 3)}}}},
		{"row 1 of resid_post.0 is out of range", []*Sequence{{Tokens: []int{1}, Taps: []*Tap{{Address: Address{ResidPost, 0}, Rows: []int{1}}}}}},
		{"head 4 of attn_probs.0 is out of range", []*Sequence{{Tokens: []int{1}, Taps: []*Tap{{Address: Address{AttnProbs, 0}, Head: 4}}}}},
		{"attn_probs cannot be changed", []*Sequence{{Tokens: []int{1}, Edits: []Edit{{Address: Address{AttnProbs, 0}}}}}},
		{"the cache keeps 1 layers", []*Sequence{{Tokens: []int{1}, Cache: m.NewCache(1), Want: LastLogits}}},
	} {
		err := m.Forward(context.Background(), c.batch)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// TestCancelledForwardLeavesNothing cancels between layers.
func TestCancelledForwardLeavesNothing(t *testing.T) {
	device := &countingDevice{Device: cpu(t)}
	m := loadSmall(t, smallLlama, device)
	cache := m.NewCache(0)
	ctx, cancel := context.WithCancel(context.Background())
	tap := tapAt(ResidPost, 0)
	s := &Sequence{Tokens: somePrompt, Cache: cache, Want: LastLogits, Taps: []*Tap{tap},
		Edits: []Edit{{Address: Address{ResidPost, 0}, Apply: func(kernels.Device, kernels.Buffer, []int) { cancel() }}}}
	*device = countingDevice{Device: device.Device}
	if err := m.Forward(ctx, []*Sequence{s}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if device.attentions != 1 {
		t.Errorf("%d layers ran after the cancellation", device.attentions-1)
	}
	if !tap.Out.IsZero() || !s.Logits.IsZero() || cache.Len() != 0 {
		t.Error("a cancelled pass left results")
	}
	cache.Release()
	if device.taken != device.released {
		t.Errorf("%d buffers taken, %d given back", device.taken, device.released)
	}
}

// TestConcurrentForwards runs one model from several goroutines.
func TestConcurrentForwards(t *testing.T) {
	device := cpu(t)
	m := loadSmall(t, smallGemma, device)
	alone := &Sequence{Tokens: somePrompt, Want: AllLogits}
	mustForward(t, m, alone)
	want := valuesOf(device, alone.Logits)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5 {
				s := &Sequence{Tokens: somePrompt, Want: AllLogits, Taps: []*Tap{tapAt(ResidMid, 1)}}
				if err := m.Forward(context.Background(), []*Sequence{s}); err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(valuesOf(device, s.Logits), want) {
					t.Error("a concurrent pass gives other logits")
				}
			}
		})
	}
	group.Wait()
}
