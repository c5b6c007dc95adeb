package model

// llamaLike is a family that differs from Llama in facts alone. Such a family needs no
// code, only a row in the table of families:
//
//	{types: []string{"name"}, describe: llamaLike{epsilon: 1e-5, theta: 10000}.describe}
type llamaLike struct {
	// What holds where config.json has no such key: the number of key/value heads and their
	// width (0 as in readShape), rms_norm_eps, rope_theta, attention_bias, mlp_bias and
	// tie_word_embeddings.
	kvHeads, headDim    int
	epsilon, theta      float64
	bias, mlpBias, tied bool
	headNorms           bool // a norm on every head of queries and keys, before the rotation
}

// llama is Llama 1 to 3, SmolLM2 and everything else with model_type llama.
var llama = llamaLike{epsilon: 1e-6, theta: 10000}

// describe reads a configuration of the family.
func (f llamaLike) describe(c *config) *architecture {
	s := c.readShape(f.kvHeads, f.headDim)
	k := c.rmsSkeleton(s, f.epsilon)
	k.tied = c.flag("tie_word_embeddings", f.tied)
	k.qkvBias, k.mlpBias = c.flag("attention_bias", f.bias), c.flag("mlp_bias", f.mlpBias)
	k.outputBias = k.qkvBias
	k.rotary = everyLayer(c.rotary(s.headDim, rotaryDefaults{theta: f.theta}))
	c.requireFalse("rope_interleaved")
	a := k.build()
	if f.headNorms {
		k.addHeadNorms(a)
	}
	return a
}
