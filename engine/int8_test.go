package engine

import (
	"strings"
	"testing"

	"npinf/hub"
)

// TestInt8Weights has room for weights of a byte and not for those of four; the answers and the
// start-up line of a server that rounds them say so.
func TestInt8Weights(t *testing.T) {
	config, _ := tinyConfig(t)
	need, err := New(config).Requirements(t.Context())
	if err != nil || need.Int8Bytes == 0 || need.Int8Bytes >= need.WeightBytes {
		t.Fatalf("%+v, %v", need, err)
	}
	config.MemoryBytes = need.Int8Bytes
	err = New(config).Load(t.Context())
	if err == nil || !strings.Contains(err.Error(), "set NPINF_WEIGHTS=int8 (--weights int8), which rounds them to "+hub.BytesText(need.Int8Bytes)) {
		t.Errorf("got %v", err)
	}
	config.Int8Weights = true
	e := New(config)
	defer e.Close()
	rounded, err := e.Requirements(t.Context())
	if err != nil || rounded.WeightBytes != need.Int8Bytes || rounded.DType != "int8" || rounded.HalfBytes != 0 || rounded.Int8Bytes != 0 {
		t.Errorf("%+v, %v", rounded, err)
	}
	if err := e.Load(t.Context()); err != nil {
		t.Fatalf("as int8: %v", err)
	}
	p, err := e.Provenance()
	if err != nil || p.DType != "int8" || p.SourceDType != "float32" {
		t.Errorf("%+v, %v", p, err)
	}
	if text := e.Summary(); !strings.Contains(text, "weights rounded to int8 (stored as float32)") {
		t.Error(text)
	}
	config.MemoryBytes = need.Int8Bytes - 1
	if err := New(config).Load(t.Context()); err == nil || strings.Contains(err.Error(), "NPINF_WEIGHTS") {
		t.Errorf("a remedy that does not help: %v", err)
	}
}
