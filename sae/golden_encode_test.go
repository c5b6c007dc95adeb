package sae

import (
	"slices"
	"testing"

	"npinf/kernels"
)

// checkConsistency verifies that the four ways of encoding agree: the lists to the bit, the
// chosen features, which a device may sum in another order, closely.
func checkConsistency(t *testing.T, s *Source, device kernels.Device, x kernels.Buffer) {
	z := s.Prepare(device, x)
	dense := make([]float32, x.Rows*s.Features)
	for row, active := range device.EncodeActive(z, s.Encoder()) {
		for _, v := range active {
			dense[row*s.Features+v.Feature] = v.Value
		}
	}
	chosen := encodeDense(s, device, x)
	for start := 0; start < len(dense); start += s.Features {
		if problem := rowDifference(chosen[start:start+s.Features], dense[start:start+s.Features], 1e-5); problem != "" {
			t.Errorf("EncodeFeatures against EncodeActive, row %d: %s", start/s.Features, problem)
		}
	}
	for row, top := range device.EncodeTopPerRow(z, s.Encoder(), 10) {
		values := dense[row*s.Features : (row+1)*s.Features]
		if slices.ContainsFunc(values, func(v float32) bool { return v != v }) {
			continue
		}
		if want := topOf(values, 10); !equalValues(top, want) {
			t.Errorf("row %d: EncodeTopPerRow gives %v, EncodeActive %v", row, top, want)
		}
	}
	checkPeaks(t, s, device, z, dense)
}

func checkPeaks(t *testing.T, s *Source, device kernels.Device, z kernels.Buffer, dense []float32) {
	peaks := make([]float32, s.Features)
	for i, value := range dense {
		if value != value {
			return
		}
		if feature := i % s.Features; i < s.Features || value > peaks[feature] {
			peaks[feature] = value
		}
	}
	want := topOf(peaks, 7)
	for i, peak := range device.EncodePeaks(z, s.Encoder(), kernels.PeakOptions{Top: 7}) {
		if peak.Feature != want[i].Feature || peak.Max != want[i].Value || dense[peak.MaxRow*s.Features+peak.Feature] != peak.Max {
			t.Errorf("EncodePeaks %d is %+v, want %+v", i, peak, want[i])
		}
	}
}

func topOf(values []float32, k int) []kernels.FeatureValue {
	var all []kernels.FeatureValue
	for feature, value := range values {
		all = append(all, kernels.FeatureValue{Feature: feature, Value: value})
	}
	slices.SortStableFunc(all, func(a, b kernels.FeatureValue) int {
		if a.Value > b.Value {
			return -1
		} else if a.Value < b.Value {
			return 1
		}
		return 0
	})
	return all[:min(k, len(all))]
}

func equalValues(a, b []kernels.FeatureValue) bool {
	return slices.EqualFunc(a, b, func(x, y kernels.FeatureValue) bool {
		return x.Feature == y.Feature && (x.Value == y.Value || (x.Value != x.Value && y.Value != y.Value))
	})
}

// checkTies verifies that identical features have equal activations and come by index.
func (g *goldenSource) checkTies(t *testing.T, x kernels.Buffer) {
	z := g.Prepare(g.device, x)
	tops := g.device.EncodeTopPerRow(z, g.Encoder(), g.Features)
	for _, row := range g.TieRows {
		var order []int
		values := map[float32]bool{}
		for _, v := range tops[row] {
			if slices.Contains(g.TieFeatures, v.Feature) {
				order = append(order, v.Feature)
				values[v.Value] = true
			}
		}
		if !slices.Equal(order, g.TieFeatures) || len(values) != 1 || values[0] {
			t.Errorf("row %d: tied features %v with values %v", row, order, values)
		}
	}
}
