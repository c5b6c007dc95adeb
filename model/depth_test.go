package model

import (
	"testing"

	"npinf/kernels"
)

// countingDevice counts attentions, of which each layer has one per sequence, and head products.
type countingDevice struct {
	kernels.Device
	attentions, heads, headRows, vocabulary int
	taken, released                         int
}

func (c *countingDevice) AttendAll(jobs []kernels.Attention) {
	c.attentions += len(jobs)
	c.Device.AttendAll(jobs)
}

func (c *countingDevice) Linear(dst, x kernels.Buffer, w *kernels.Weight, bias kernels.Buffer, add bool) {
	if w.Out == c.vocabulary {
		c.heads++
		c.headRows += x.Rows
	}
	c.Device.Linear(dst, x, w, bias, add)
}

func (c *countingDevice) NewBuffer(rows, width int) kernels.Buffer {
	c.taken++
	return c.Device.NewBuffer(rows, width)
}

func (c *countingDevice) Upload(rows, width int, data []float32) kernels.Buffer {
	c.taken++
	return c.Device.Upload(rows, width, data)
}

func (c *countingDevice) Release(b kernels.Buffer) {
	if !b.IsZero() {
		c.released++
	}
	c.Device.Release(b)
}

// TestRunsNoDeeperThanNeeded counts the work of taps at different depths, and that every
// scratch buffer goes back.
func TestRunsNoDeeperThanNeeded(t *testing.T) {
	device := &countingDevice{Device: cpu(t), vocabulary: 40}
	m := loadSmall(t, smallLlama, device)
	partial := m.NewCache(2)
	for _, c := range []struct {
		what                        string
		batch                       []*Sequence
		attentions, heads, headRows int
		results                     int
	}{
		{"nothing", []*Sequence{{Tokens: somePrompt}}, 0, 0, 0, 0},
		{"embeddings", []*Sequence{{Tokens: somePrompt, Taps: []*Tap{tapAt(Embeddings, -1)}}}, 0, 0, 0, 1},
		{"block input", []*Sequence{{Tokens: somePrompt, Taps: []*Tap{tapAt(ResidPre, 1)}}}, 1, 0, 0, 1},
		{"middle layer", []*Sequence{{Tokens: somePrompt, Taps: []*Tap{tapAt(Z, 1)}}}, 2, 0, 0, 1},
		{"final norm", []*Sequence{{Tokens: somePrompt, Taps: []*Tap{tapAt(FinalNorm, -1)}}}, 3, 0, 0, 1},
		{"last logits", []*Sequence{{Tokens: somePrompt, Want: LastLogits}}, 3, 1, 1, 1},
		{"all logits", []*Sequence{{Tokens: somePrompt, Want: AllLogits}}, 3, 1, 7, 1},
		{"two depths", []*Sequence{{Tokens: somePrompt, Taps: []*Tap{tapAt(ResidPost, 0)}}, {Tokens: somePrompt, Want: LastLogits}}, 4, 1, 1, 2},
		{"two answers", []*Sequence{{Tokens: somePrompt, Want: LastLogits}, {Tokens: somePrompt, Want: AllLogits}}, 6, 1, 8, 2},
		{"a partial cache", []*Sequence{{Tokens: somePrompt, Cache: partial, Taps: []*Tap{tapAt(ResidPost, 0)}}}, 2, 0, 0, 1 + 4},
	} {
		*device = countingDevice{Device: device.Device, vocabulary: 40}
		mustForward(t, m, c.batch...)
		if device.attentions != c.attentions || device.heads != c.heads || device.headRows != c.headRows {
			t.Errorf("%s: %d attentions, %d head products of %d rows; want %d, %d, %d",
				c.what, device.attentions, device.heads, device.headRows, c.attentions, c.heads, c.headRows)
		}
		if kept := device.taken - device.released; kept != c.results {
			t.Errorf("%s: %d buffers kept, want %d", c.what, kept, c.results)
		}
	}
	if partial.Len() != len(somePrompt) {
		t.Errorf("partial cache holds %d positions", partial.Len())
	}
}
