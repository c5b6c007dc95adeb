package engine

import (
	"math"
	"testing"

	"npinf/kernels"
	"npinf/lens"
)

// largestDevice remembers the largest buffer that was asked for.
type largestDevice struct {
	kernels.Device
	values int
}

func (d *largestDevice) NewBuffer(rows, width int) kernels.Buffer {
	d.values = max(d.values, rows*width)
	return d.Device.NewBuffer(rows, width)
}

func sameTokens(a, b [][][]lens.Token) bool {
	for i := range a {
		for j := range a[i] {
			for n, token := range a[i][j] {
				if other := b[i][j][n]; token.ID != other.ID || !(math.Abs(token.Probability-other.Probability) < 1e-6) {
					return false
				}
			}
		}
	}
	return len(a) == len(b)
}

// TestLensMemory: however many layers and positions are read, only so many rows of logits as
// the reader may hold are in memory, at least one layer's for one position; what is read does
// not depend on it.
func TestLensMemory(t *testing.T) {
	config, counting := tinyConfig(t)
	device := &largestDevice{Device: counting}
	config.Device = device
	w := loadTiny(t, config).world.Load()
	const positions, layers = 3, 40
	var residuals []kernels.Buffer
	read := make([]lens.Layer, layers)
	for i := range read {
		values := make([]float32, positions*tinyWidth)
		for j := range values {
			values[j] = float32((i*31+j*17)%13) - 6
		}
		residuals = append(residuals, w.device.Upload(positions, tinyWidth, values))
		read[i].Last = i == layers-1
	}
	var whole [][][]lens.Token
	for _, rows := range []int{layers * positions, 3 * positions, 1} {
		device.values = 0
		reader := &lens.Reader{Device: w.device, Model: w.model, Top: 4, Rows: rows}
		tokens, err := reader.Read(t.Context(), read, residuals)
		if err != nil {
			t.Fatal(err)
		}
		if most := max(max(rows, positions)*w.info.Vocabulary, layers*positions*tinyWidth); device.values > most || device.values < w.info.Vocabulary {
			t.Errorf("%d rows at a time: a buffer of %d values, want at most %d", rows, device.values, most)
		}
		if whole == nil {
			whole = tokens
		}
		if !sameTokens(tokens, whole) {
			t.Errorf("%d rows at a time are read differently", rows)
		}
	}
	if reader := (&lens.Reader{Model: w.model, Rows: 10}); reader.Positions(3) != 3 || reader.Positions(11) != 1 {
		t.Errorf("%d and %d positions fit", reader.Positions(3), reader.Positions(11))
	}
	for _, buffer := range residuals {
		w.device.Release(buffer)
	}
}
