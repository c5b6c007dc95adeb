package model

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"npinf/internal/golden"
)

// TestEstimateOfACache compares the planned memory of a token with what a cache takes.
func TestEstimateOfACache(t *testing.T) {
	for _, config := range append([]string{smallHybrid}, smallConfigs...) {
		estimate, err := Plan(context.Background(), smallModel(t, config))
		if err != nil {
			t.Fatal(err)
		}
		m := loadSmall(t, config, cpu(t))
		cache := m.NewCache(0)
		cache.Limit(smallestCapacity)
		mustForward(t, m, &Sequence{Tokens: []int{1, 2, 3}, Cache: cache})
		if want := smallestCapacity*estimate.TokenBytes + estimate.FixedBytes; cache.Bytes() != want {
			t.Errorf("%.60s: a cache of %d tokens takes %d bytes, planned %d", config, smallestCapacity, cache.Bytes(), want)
		}
		cache.Release()
	}
}

// TestGoldenEstimates compares the plan of every checkpoint with what its load takes, in
// every storage type and as int8.
func TestGoldenEstimates(t *testing.T) {
	configs, err := filepath.Glob(filepath.Join(golden.Dir(t, "models"), "*", "*", "config.json"))
	if err != nil || len(configs) == 0 {
		t.Fatalf("%v, %v", configs, err)
	}
	device := cpu(t)
	for _, file := range configs {
		folder := filepath.Dir(file)
		estimate, err := Plan(context.Background(), dirFiles(folder))
		if err != nil {
			if !strings.Contains(err.Error(), "model_type") {
				t.Errorf("%s: %v", folder, err)
			}
			continue
		}
		if estimate.WeightBytes == 0 {
			continue
		}
		for _, dtype := range []string{"auto", "float32", "bfloat16"} {
			m, err := Load(context.Background(), dirFiles(folder), Options{Device: device, DType: dtype})
			if err != nil {
				t.Fatal(err)
			}
			vectors := int64(0)
			for _, buffer := range m.buffers {
				vectors += 4 * int64(buffer.Width)
			}
			if got, want := estimate.WeightBytesAs(dtype), m.Info().WeightBytes-vectors; got != want {
				t.Errorf("%s as %s: planned %d bytes, loaded %d", folder, dtype, got, want)
			}
			parameters := m.Info().ParameterCount
			m.Close()
			m, err = Load(context.Background(), dirFiles(folder), Options{Device: device, DType: dtype, Int8: true})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := estimate.Int8WeightBytes(dtype), m.Info().WeightBytes-vectors; got != want || m.Info().ParameterCount != parameters {
				t.Errorf("%s as int8 and %s: planned %d bytes, loaded %d, %d parameters", folder, dtype, got, want, m.Info().ParameterCount)
			}
			m.Close()
		}
	}
}
