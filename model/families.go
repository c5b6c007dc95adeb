package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// family reads a configuration of certain model types. text is the configuration of the
// text model: the file itself, or its text_config for a multimodal wrapper.
type family struct {
	types     []string
	describe  func(text *config) *architecture
	quantized string // the one quant_method that can be loaded, or ""
}

// families is the table of supported architectures, by HF's model_type. A wrapper's own
// type stands beside the text model's.
var families = []family{
	{types: []string{"gpt2"}, describe: describeGPT2},
	{types: []string{"llama"}, describe: llama.describe},
	{types: []string{"mistral"}, describe: describeMistral},
	{types: []string{"qwen2"}, describe: describeQwen2},
	{types: []string{"qwen3"}, describe: describeQwen3},
	{types: []string{"gemma"}, describe: describeGemma},
	{types: []string{"gemma2"}, describe: describeGemma2},
	{types: []string{"gemma3_text", "gemma3"}, describe: describeGemma3},
	{types: []string{"gemma4_text", "gemma4"}, describe: describeGemma4},
	{types: []string{"gpt_neox"}, describe: describeNeoX},
	{types: []string{"gpt_bigcode"}, describe: describeGPTBigCode},
	{types: []string{"gpt_neo"}, describe: describeGPTNeo},
	{types: []string{"gptj"}, describe: describeGPTJ},
	{types: []string{"opt"}, describe: describeOPT},
	{types: []string{"falcon"}, describe: describeFalcon},
	{types: []string{"olmo"}, describe: describeOlmo},
	{types: []string{"olmo2"}, describe: describeOlmo2},
	{types: []string{"olmo3"}, describe: describeOlmo3},
	{types: []string{"smollm3"}, describe: describeSmolLM3},
	{types: []string{"granite"}, describe: describeGranite},
	{types: []string{"starcoder2"}, describe: describeStarcoder2},
	{types: []string{"stablelm"}, describe: describeStableLM},
	{types: []string{"phi"}, describe: describePhi},
	{types: []string{"phi3"}, describe: describePhi3},
	{types: []string{"cohere"}, describe: describeCohere},
	{types: []string{"cohere2"}, describe: describeCohere2},
	{types: []string{"mixtral"}, describe: describeMixtral},
	{types: []string{"qwen2_moe"}, describe: describeQwen2Moe},
	{types: []string{"qwen3_moe"}, describe: describeQwen3Moe},
	{types: []string{"qwen3_next"}, describe: describeQwen3Next},
	{types: []string{"qwen3_5_text", "qwen3_5"}, describe: describeQwen35},
	{types: []string{"qwen3_5_moe_text", "qwen3_5_moe"}, describe: describeQwen35Moe},
	{types: []string{"granitemoe"}, describe: describeGraniteMoe},
	{types: []string{"gpt_oss"}, describe: describeGPTOSS, quantized: "mxfp4"},
}

// supportedTypes lists the model types of the table.
func supportedTypes() []string {
	var types []string
	for _, f := range families {
		types = append(types, f.types...)
	}
	slices.Sort(types)
	return types
}

// describe turns a configuration into an architecture without weights. The error names
// the unsupported model_type or every unsupported or malformed setting.
func describe(c *config) (*architecture, error) {
	modelType := c.text("model_type", "")
	if err := c.err(); err != nil {
		return nil, err
	}
	index := slices.IndexFunc(families, func(f family) bool { return slices.Contains(f.types, modelType) })
	if index < 0 {
		return nil, fmt.Errorf("config.json: model_type %q is not supported; supported: %s", modelType, strings.Join(supportedTypes(), ", "))
	}
	if q := c.object("quantization_config"); q != nil {
		if method := q.text("quant_method", ""); method == "" || method != families[index].quantized {
			q.fail("quant_method = %q is not supported; use the unquantized checkpoint", method)
		}
	}
	text := textConfig(c)
	if inner := text.text("model_type", families[index].types[0]); !slices.Contains(families[index].types, inner) {
		text.fail("model_type %q inside a %s wrapper is not supported", inner, modelType)
	}
	a := families[index].describe(text)
	if err := c.err(); err != nil {
		return nil, err
	}
	a.family = families[index].types[0]
	a.mark()
	return a, a.checkShape()
}

// textConfig returns the text model's part of a configuration. What only the outer file
// states (the stored dtype, the stop ids) is looked up there by the callers.
func textConfig(c *config) *config {
	if inner := c.object("text_config"); inner != nil {
		return inner
	}
	return c
}

// checkShape refuses dimensions that contradict each other.
func (a *architecture) checkShape() error {
	for i := range a.blocks {
		if err := a.blocks[i].recurrent.checkShape(); err != nil {
			return err
		}
		attention := &a.blocks[i].attention
		if a.blocks[i].recurrent == nil && attention.heads%attention.kvHeads != 0 {
			return fmt.Errorf("config.json: %d attention heads cannot share %d key/value heads evenly", attention.heads, attention.kvHeads)
		}
		if r := attention.rotary; r != nil && (r.dim > attention.headDim || r.dim%2 != 0) {
			return fmt.Errorf("config.json: %d dimensions cannot rotate in heads of %d", r.dim, attention.headDim)
		}
		if e := a.blocks[i].anyExperts(); e != nil && e.chosen > len(e.each) {
			return fmt.Errorf("config.json: %d experts are chosen out of %d", e.chosen, len(e.each))
		}
	}
	return nil
}

// checkShape of no linear attention finds nothing.
func (a *recurrent) checkShape() error {
	if a != nil && a.valueHeads%a.keyHeads != 0 {
		return fmt.Errorf("config.json: %d linear value heads cannot share %d key heads evenly", a.valueHeads, a.keyHeads)
	}
	return nil
}

// shape is the part of a configuration that nearly all families spell alike.
type shape struct {
	width, layers, heads, kvHeads, headDim, mlpWidth, vocabulary, positions int
}

// readShape reads the usual keys. kvHeads and headDim are what holds when their keys are
// absent; 0 stands for as many as heads, and for width / heads.
func (c *config) readShape(kvHeads, headDim int) shape {
	s := shape{
		width: c.count("hidden_size", 0), layers: c.layerCount("num_hidden_layers", 0),
		heads: c.count("num_attention_heads", 0), mlpWidth: c.count("intermediate_size", 0),
		vocabulary: c.count("vocab_size", 0), positions: c.count("max_position_embeddings", 2048),
	}
	if kvHeads == 0 || c.isNull("num_key_value_heads") {
		kvHeads = s.heads
	}
	if headDim == 0 || c.isNull("head_dim") {
		headDim = max(s.width/s.heads, 1)
	}
	s.kvHeads, s.headDim = c.count("num_key_value_heads", kvHeads), c.count("head_dim", headDim)
	return s
}

// newArchitecture fills in what a shape says.
func (s shape) newArchitecture() *architecture {
	return &architecture{
		width: s.width, vocabulary: s.vocabulary, maxPositions: s.positions,
		heads: s.heads, kvHeads: s.kvHeads, headDim: s.headDim, mlpWidth: s.mlpWidth,
		blocks:    make([]block, s.layers),
		embedding: embedding{scale: 1, multiplier: 1},
		head: head{multiplier: 1, names: []string{"lm_head", "language_model.lm_head"},
			output: &linear{out: s.vocabulary, in: s.width}},
	}
}

// The kinds of attention a layer can have, as layer_types names them.
const (
	fullAttention    = "full_attention"
	slidingAttention = "sliding_attention"
	linearAttention  = "linear_attention"
)

// layerTypes reads layer_types; without it, absent decides layer by layer.
func (c *config) layerTypes(layers int, absent func(layer int) string) []string {
	return c.layerTypesOf(layers, []string{fullAttention, slidingAttention}, absent)
}

// layerTypesOf is layerTypes for families with other kinds.
func (c *config) layerTypesOf(layers int, kinds []string, absent func(layer int) string) []string {
	types := c.strings("layer_types")
	if types == nil {
		types = make([]string, layers)
		for layer := range types {
			types[layer] = absent(layer)
		}
	}
	if len(types) < layers {
		c.fail("layer_types has %d entries for %d layers", len(types), layers)
		return make([]string, layers)
	}
	for _, kind := range types {
		if !slices.Contains(kinds, kind) {
			c.fail("layer_types: %q is not supported; supported: %s", kind, strings.Join(kinds, ", "))
		}
	}
	return types[:layers]
}

// windowOf is the window of a layer of the given kind.
func windowOf(kind string, window int) int {
	if kind == slidingAttention {
		return window
	}
	return 0
}

// storedDType returns the dtype config.json states, "" when it states none.
func storedDType(c *config) string {
	for _, part := range []*config{textConfig(c), c} {
		for _, key := range []string{"dtype", "torch_dtype"} {
			var name string
			if raw, ok := part.keys[key]; ok && json.Unmarshal(raw, &name) == nil && name != "" {
				return name
			}
		}
	}
	return ""
}
