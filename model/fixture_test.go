package model

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"npinf/kernels"
)

// memoryFiles is a repository in memory.
type memoryFiles map[string][]byte

func (m memoryFiles) Has(path string) bool { return m[path] != nil }

func (m memoryFiles) Read(_ context.Context, path string) ([]byte, func(), error) {
	data, ok := m[path]
	if !ok {
		return nil, nil, errors.New("no such file")
	}
	return data, func() {}, nil
}

// Two small configurations: a plain block, and one with everything that a block can have.
const (
	smallLlama = `{"model_type":"llama","hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,
		"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":40,"eos_token_id":[3,4],"torch_dtype":"float32"}`
	smallGemma = `{"model_type":"gemma2","hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,"head_dim":8,
		"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":40,"sliding_window":4,"eos_token_id":1,"torch_dtype":"float32"}`
	smallNeoX = `{"model_type":"gpt_neox","hidden_size":32,"intermediate_size":24,"num_hidden_layers":3,
		"num_attention_heads":4,"vocab_size":40,"torch_dtype":"float32"}`
	smallMoE = `{"model_type":"qwen2_moe","hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,"num_attention_heads":4,
		"num_key_value_heads":2,"num_experts":5,"num_experts_per_tok":2,"moe_intermediate_size":12,
		"shared_expert_intermediate_size":8,"mlp_only_layers":[0],"vocab_size":40,"torch_dtype":"float32"}`
)

// smallHybrid has linear attention and a gated softmax attention; its caches cannot go back.
const smallHybrid = `{"model_type":"qwen3_5_text","hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,"num_attention_heads":4,
	"num_key_value_heads":2,"head_dim":8,"full_attention_interval":2,"linear_num_key_heads":2,"linear_num_value_heads":4,
	"linear_key_head_dim":4,"linear_value_head_dim":6,"vocab_size":40,"torch_dtype":"float32"}`

var smallConfigs = []string{smallLlama, smallGemma, smallNeoX, smallMoE}

// namedShape is a tensor that an architecture asks for.
type namedShape struct {
	name  string
	shape []int
}

// tensorsOf lists what a configuration's weights are called, from its description.
func tensorsOf(t testing.TB, configText string) []namedShape {
	t.Helper()
	c, err := parseConfig("config.json", []byte(configText))
	if err != nil {
		t.Fatal(err)
	}
	a, err := describe(c)
	if err != nil {
		t.Fatal(err)
	}
	var list []namedShape
	matrix := func(prefix string, l *linear) {
		shape := []int{l.out, l.in}
		if l.transposed {
			shape = []int{l.in, l.out}
		}
		list = append(list, namedShape{prefix + l.name + ".weight", shape})
		if l.bias {
			list = append(list, namedShape{prefix + l.name + ".bias", []int{l.out}})
		}
	}
	a.eachLinear(func(l *linear) { matrix(a.prefixes[0], l) })
	for i := range a.blocks {
		for _, l := range []*linear{a.blocks[i].attention.fused, a.blocks[i].attention.queryGate} {
			if l != nil {
				matrix(a.prefixes[0], l)
			}
		}
		if r := a.blocks[i].recurrent; r != nil {
			list = append(list, namedShape{a.prefixes[0] + r.names.conv, []int{r.channels(), 1, r.kernel}},
				namedShape{a.prefixes[0] + r.names.logRate, []int{r.valueHeads}},
				namedShape{a.prefixes[0] + r.names.timeBias, []int{r.valueHeads}})
		}
	}
	for i := range a.blocks {
		if name := a.blocks[i].scalar; name != "" {
			list = append(list, namedShape{a.prefixes[0] + name, []int{1}})
		}
	}
	a.eachNorm(func(n *norm) {
		if n.bare {
			return
		}
		list = append(list, namedShape{a.prefixes[0] + n.name + ".weight", n.shape})
		if n.bias {
			list = append(list, namedShape{a.prefixes[0] + n.name + ".bias", n.shape})
		}
	})
	if !a.head.tied {
		list = append(list, namedShape{a.head.names[0] + ".weight", []int{a.vocabulary, a.width}})
	}
	return list
}

// smallModel makes a repository with random weights for a configuration.
func smallModel(t testing.TB, configText string) memoryFiles {
	t.Helper()
	return scaledModel(t, configText, 0.3)
}

// scaledModel is smallModel with weights of a given size, for any configuration.
func scaledModel(t testing.TB, configText string, scale float64) memoryFiles {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 11))
	header := map[string]any{}
	var body []byte
	for _, tensor := range tensorsOf(t, configText) {
		elements, begin := 1, len(body)
		for _, d := range tensor.shape {
			elements *= d
		}
		for range elements {
			value := float32(random.NormFloat64() * scale)
			if len(tensor.shape) == 1 {
				value++
			}
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(value))
		}
		header[tensor.name] = map[string]any{"dtype": "F32", "shape": tensor.shape, "data_offsets": []int{begin, len(body)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return memoryFiles{"config.json": []byte(configText), "model.safetensors": append(append(file, text...), body...)}
}

// loadSmall loads a random model of a configuration.
func loadSmall(t testing.TB, configText string, device kernels.Device) *Model {
	t.Helper()
	m, err := Load(context.Background(), smallModel(t, configText), Options{Device: device})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func cpu(t testing.TB) *kernels.CPU {
	t.Helper()
	device, err := kernels.NewCPU(kernels.CPUOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	return device
}

// mustForward runs a batch that must succeed.
func mustForward(t testing.TB, m *Model, batch ...*Sequence) {
	t.Helper()
	if err := m.Forward(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

// valuesOf downloads a buffer.
func valuesOf(device kernels.Device, b kernels.Buffer) []float32 {
	values := make([]float32, b.Rows*b.Width)
	device.Download(values, b)
	return values
}

// near fails unless two results agree to float32 rounding.
func near(t testing.TB, what string, got, want []float32) {
	t.Helper()
	within(t, what, got, want, 2e-6)
}

// within fails unless two results agree to a relative tolerance.
func within(t testing.TB, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	if distance := rowError(got, want, 0); !(distance <= tolerance) {
		t.Errorf("%s: differ by %.3g", what, distance)
	}
}
