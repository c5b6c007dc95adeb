package model

import (
	"strings"
	"testing"
)

// northwind is a family nobody has: Llama with biases in its attention, a norm per head, two
// key/value heads and a rotation of its own. These lines are all it takes.
var northwind = family{types: []string{"northwind"}, describe: llamaLike{
	kvHeads: 2, headDim: 8, epsilon: 1e-5, theta: 5000, bias: true, headNorms: true, tied: true,
}.describe}

const northwindConfig = `{"model_type":"northwind","hidden_size":16,"intermediate_size":24,"num_hidden_layers":3,
	"num_attention_heads":4,"vocab_size":40,"torch_dtype":"float32"}`

// TestAddedFamily adds a family by a row in the table and holds it to Qwen3, which has the
// same arithmetic with everything spelled out.
func TestAddedFamily(t *testing.T) {
	known := families
	families = append(known[:len(known):len(known)], northwind)
	t.Cleanup(func() { families = known })
	files := smallModel(t, northwindConfig)
	device := cpu(t)
	logits := func(config string) []float32 {
		files["config.json"] = []byte(config)
		m, err := Load(t.Context(), files, Options{Device: device})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s := &Sequence{Tokens: []int{5, 0, 39, 7}, Want: AllLogits}
		mustForward(t, m, s)
		return valuesOf(device, s.Logits)
	}
	spelledOut := `"num_key_value_heads":2,"head_dim":8,"rms_norm_eps":1e-5,"rope_theta":5000,"tie_word_embeddings":true,"attention_bias":true`
	reference := strings.Replace(with(northwindConfig, spelledOut), "northwind", "qwen3", 1)
	near(t, "logits of the added family", logits(northwindConfig), logits(reference))
}
