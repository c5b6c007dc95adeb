package model

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"npinf/kernels"
	"npinf/weights"
)

// mappedFiles says of a repository in memory that it is mapped.
type mappedFiles struct{ memoryFiles }

func (mappedFiles) Drop([]byte)        {}
func (mappedFiles) Mapped([]byte) bool { return true }

// TestInt8Types looks at what is rounded and what stays: embeddings as they are stored or
// asked for, routers, and a tied head as a matrix of its own.
func TestInt8Types(t *testing.T) {
	device := cpu(t)
	for _, config := range append([]string{smallHybrid}, smallConfigs...) {
		for _, dtype := range []string{"auto", "bfloat16"} {
			kept := map[string]kernels.DType{"auto": kernels.F32, "bfloat16": kernels.BF16}[dtype]
			m, err := Load(context.Background(), smallModel(t, config), Options{Device: device, DType: dtype, Int8: true})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			exact := map[*linear]bool{m.arch.embedding.tokens: true, m.arch.embedding.positions: true}
			for i := range m.arch.blocks {
				if e := m.arch.blocks[i].anyExperts(); e != nil {
					exact[e.router] = true
				}
			}
			m.arch.eachMatrix(func(l *linear, _ bool) {
				want := kernels.I8
				if exact[l] {
					want = kept
				}
				if l.weight.DType != want {
					t.Errorf("%.40s: %s is %s, want %s", config, l.name, l.weight.DType, want)
				}
			})
			if d := m.arch.head.output.weight.DType; d != kernels.I8 {
				t.Errorf("%.40s: the head is %s", config, d)
			}
			s := &Sequence{Tokens: []int{1, 2, 3, 4}, Want: AllLogits}
			mustForward(t, m, s)
			if m.device.Release(s.Logits); m.info().StoredDType != "float32" {
				t.Errorf("stored as %s", m.info().StoredDType)
			}
		}
	}
}

// TestInt8LetsFilesInMemoryGo keeps mapped files open for the embedding, and lets those go
// that were read into memory, where the embedding alone would hold them.
func TestInt8LetsFilesInMemoryGo(t *testing.T) {
	files := smallModel(t, smallLlama)
	for _, test := range []struct {
		files weights.Files
		open  bool
	}{{files, false}, {mappedFiles{files}, true}} {
		m, err := Load(context.Background(), test.files, Options{Device: cpu(t), Borrow: true, Int8: true})
		if err != nil {
			t.Fatal(err)
		}
		if open := m.store != nil; open != test.open {
			t.Errorf("%T: open %v, want %v", test.files, open, test.open)
		}
		m.Close()
	}
}

// TestInt8NamesWhatItCannotHold has a NaN in the last matrix of a file.
func TestInt8NamesWhatItCannotHold(t *testing.T) {
	files := smallModel(t, smallNeoX)
	content := bytes.Clone(files["model.safetensors"])
	binary.LittleEndian.PutUint32(content[len(content)-4:], math.Float32bits(float32(math.NaN())))
	files["model.safetensors"] = content
	_, err := Load(context.Background(), files, Options{Device: cpu(t), Int8: true})
	if err == nil || !strings.Contains(err.Error(), "tensor embed_out.weight: output 39 has a weight that is NaN or infinite") {
		t.Error(err)
	}
}
