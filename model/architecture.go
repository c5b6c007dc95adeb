package model

import "npinf/kernels"

// architecture describes a decoder-only transformer. A family file fills in everything
// but the weights; bind adds them. After that nothing in it changes.
type architecture struct {
	family       string // HF's model_type of the text model
	width        int    // d_model
	vocabulary   int    // rows of the embedding
	maxPositions int
	rmsEpsilon   float32 // rms_norm_eps; 0 on LayerNorm models

	// Model-level dimensions, as the configuration states them.
	heads, kvHeads, headDim, mlpWidth int

	embedding embedding
	blocks    []block
	finalNorm *norm // nil: the last block's output goes to the head as it is
	head      head

	prefixes []string         // what released files put in front of all names but the head's
	ignored  []string         // beginnings of the names of tensors that the text model does not use
	refusals map[Point]string // points that this family has no such tensor for, and why
}

// embedding turns ids into the input of block 0.
type embedding struct {
	tokens *linear // [vocabulary, width or the projection's input]
	scale  float32 // part of the embedding itself: the point "embeddings" is scaled (Gemma)

	positions      *linear // learned positions [rows, width], or nil
	positionOffset int     // row of position 0 (OPT: 2)

	multiplier float32 // after the point "embeddings" (Granite); 1 = none
	perLayer   *perLayerEmbedding
	projection *linear // project_in of OPT-350m, or nil
}

// perLayerEmbedding gives every block a vector of its own for each token (Gemma 4): half
// looked up, half projected from the embedding.
type perLayerEmbedding struct {
	width      int     // of one block's vector
	tokens     *linear // [vocabulary, blocks·width]
	projection *linear // [blocks·width, d_model]
	norm       *norm   // on each block's vector of the projection
}

// head turns the last residual into logits.
type head struct {
	tied       bool    // the weights are the token embedding's
	output     *linear // [vocabulary, width]
	names      []string
	projection *linear // project_out of OPT-350m, or nil
	multiplier float32 // on the logits; 1 = none
	softcap    float32 // logits become cap·tanh(logit/cap); 0 = none
}

// block is one transformer layer. With a norm absent the sublayer reads the residual, or
// its output is added, as it is.
type block struct {
	// parallel blocks compute both sublayers from the block's input. Without an mlpNorm
	// they share one norm.
	parallel bool
	// normAfterSum blocks (OPT-350m) have no norm in front: attnNorm and mlpNorm
	// normalise the residual after each sum.
	normAfterSum bool

	attnNorm, attnPostNorm, mlpNorm, mlpPostNorm *norm

	attention          attention
	recurrent          *recurrent // replaces attention, or nil
	mlp                mlp
	experts            *experts // replaces mlp, or nil
	beside             *besideMLP
	perLayer           *perLayerBranch
	residualMultiplier float32 // on each sublayer's output (Granite); 1 = none

	scalar      string  // name of a number that multiplies the block's output (Gemma 4), "" = none
	scalarValue float32 // loaded
}

// perLayerBranch adds what a block makes of its per-layer embedding e: the residual x
// grows by norm(projection(f(gate(x))·e)).
type perLayerBranch struct {
	gate, projection *linear // [width of e, d_model], [d_model, width of e]
	activation       kernels.Activation
	norm             *norm
}

// besideMLP is a mixture of experts next to a dense MLP (Gemma 4). The sublayer's output
// is mlpNorm(dense output) + postNorm(experts(preNorm(residual))).
type besideMLP struct {
	experts                    *experts
	mlpNorm, preNorm, postNorm *norm
	routerNorm                 *norm // in front of the router, which reads the residual
}

// attention is multi-head attention with grouped keys and values.
type attention struct {
	heads, kvHeads, headDim int

	query, key, value *linear // [heads·headDim, width], [kvHeads·headDim, width] twice
	// queryGate replaces query: rows queries | gates, which the file interleaves per head.
	// The attention's result is multiplied by the sigmoid of the gates.
	queryGate *linear // [2·heads·headDim, width]
	// fused replaces the three: rows q | k | v. grouped says that the file interleaves
	// them per kv head, [queries of the group.., k, v]; bind puts them in order.
	fused   *linear
	grouped bool
	clip    float32 // queries, keys and values are clamped to ±clip; 0 = none

	// value nil without fused: the values are the keys before their norm (Gemma 4).
	valueNorm *norm // on the values, or nil
	// Layers that share use the keys and values of layer sharedFrom and have none of their
	// own; kept layers are such a source.
	shares, kept bool
	sharedFrom   int

	queryNorm, keyNorm *norm   // before the rotation, or nil
	rotary             *rotary // nil: no rotation
	scale, softcap     float32 // of the scores
	window             int     // keys a query sees, itself included; 0 = all

	sinks   string         // name of one logit per head that takes probability only; "" = none
	sinkRow kernels.Buffer // [1, heads], loaded

	output *linear // [width, heads·headDim]
}

func (a *attention) queryWidth() int { return a.heads * a.headDim }
func (a *attention) keyWidth() int   { return a.kvHeads * a.headDim }
func (a *attention) fusedWidth() int { return a.queryWidth() + 2*a.keyWidth() }

// recurrent is linear attention by the gated delta rule (Qwen3-Next): each head keeps a
// matrix that decays, forgets what it held for a key and takes in the key's new value.
type recurrent struct {
	keyHeads, valueHeads int // key head of value head h: h / (valueHeads/keyHeads)
	keyDim, valueDim     int
	kernel               int // taps of the causal convolution over queries, keys and values

	mixed       *linear // queries | keys | values
	gate        *linear // [valueHeads·valueDim, width]
	beta, decay *linear // [valueHeads, width]
	// fusedGate and fusedRates, when not "", are the tensors that hold mixed and gate, and
	// beta and decay, interleaved per key head.
	fusedGate, fusedRates string

	names    recurrentNames
	conv     []float32 // [channels, kernel], the newest input last
	logRate  []float32 // [valueHeads]
	timeBias []float32 // [valueHeads]

	norm   *norm   // per head, on the result
	output *linear // [width, valueHeads·valueDim]
}

// recurrentNames are tensors that are neither a matrix nor a norm.
type recurrentNames struct{ conv, logRate, timeBias string }

func (a *recurrent) keyWidth() int   { return a.keyHeads * a.keyDim }
func (a *recurrent) valueWidth() int { return a.valueHeads * a.valueDim }
func (a *recurrent) channels() int   { return 2*a.keyWidth() + a.valueWidth() }

// mixerWidth is the width of z, the input of the mixer's output projection.
func (b *block) mixerWidth() int {
	if b.recurrent != nil {
		return b.recurrent.valueWidth()
	}
	return b.attention.queryWidth()
}

// mixerOutput is the projection that reads z.
func (b *block) mixerOutput() *linear {
	if b.recurrent != nil {
		return b.recurrent.output
	}
	return b.attention.output
}

// mlp is the feed-forward sublayer: down(f(gate)·up), or down(f(up)) without a gate.
type mlp struct {
	width      int
	gate, up   *linear // [width, d_model]; gate nil: ungated
	gateUp     *linear // replaces both: rows gate | up
	down       *linear // [d_model, width]
	activation kernels.Activation
}

// experts is a sublayer that sends each row to a few of many MLPs and adds up their
// weighted outputs.
type experts struct {
	router *linear // [experts, width]
	chosen int     // experts per row
	// softmaxFirst takes the weights from a softmax over all experts; else it is taken over
	// the chosen ones. renormalize divides the chosen weights by their sum.
	softmaxFirst, renormalize bool

	each    []mlp
	stacked *stackedExperts // nil: every expert has tensors of its own
	packed  *packedExperts  // loaded, instead of the matrices of each; nil: these are there
	limit   float32         // gpt-oss' clamped activation; 0 = the experts' own activation

	scales      string    // name of a factor per expert on the chosen weights, "" = none
	scaleValues []float32 // loaded

	shared     *mlp    // an MLP that every row passes as well, or nil
	sharedGate *linear // [1, width]; its sigmoid weighs the shared MLP
}

// stackedExperts says how a file holds the matrices of all experts in one tensor.
type stackedExperts struct {
	gateUp, down string // [experts, 2·inner, width], [experts, width, inner]
	inFirst      bool   // stored [experts, in, out]
	interleaved  bool   // gate and up alternate: even rows are gates
	bias         bool
	optional     bool // some files have tensors per expert instead
}

// anyExperts returns the block's experts, wherever they stand.
func (b *block) anyExperts() *experts {
	if b.beside != nil {
		return b.beside.experts
	}
	return b.experts
}

func (m *mlp) gated() bool { return m.gate != nil || m.gateUp != nil }

// linear is a matrix with an optional bias. name is without ".weight" and without the
// architecture's prefix.
type linear struct {
	name       string
	out, in    int
	bias       bool
	transposed bool // stored [in, out]
	exact      bool // neither it nor its inputs are ever rounded: a choice rests on its products
	lookedUp   bool // its rows are embeddings; nothing is multiplied with it

	weight  *kernels.Weight
	biasRow kernels.Buffer
}

// norm is a normalisation. name is without ".weight"; bare norms have no weights.
type norm struct {
	name   string
	kind   kernels.NormKind
	shape  []int // of the stored weight
	group  int   // width normalised together; 0 = the whole row
	eps    float32
	bias   bool
	addOne bool // the gain is 1 + weight (Gemma)
	bare   bool

	unsuffixed bool    // the tensor is called name, without ".weight"
	factor     float32 // on the gain; 0 = 1

	loaded kernels.Norm
}
