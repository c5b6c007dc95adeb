package model

import "fmt"

// The points of a forward pass that code refers to by name.
const (
	Embeddings    Point = "embeddings"
	ResidPre      Point = "resid_pre"
	LN1Normalized Point = "ln1_normalized"
	AttnIn        Point = "attn_in"
	Value         Point = "value"
	QNormIn       Point = "q_norm_in"
	QNormOut      Point = "q_norm_out"
	KNormIn       Point = "k_norm_in"
	KNormOut      Point = "k_norm_out"
	AttnScores    Point = "attn_scores"
	AttnProbs     Point = "attn_probs"
	Z             Point = "z"
	AttnGate      Point = "attn_gate"
	AttnOut       Point = "attn_out"
	AttnOutPost   Point = "attn_out_post"
	ResidMid      Point = "resid_mid"
	LN2Normalized Point = "ln2_normalized"
	MLPIn         Point = "mlp_in"
	RouterLogits  Point = "router_logits"
	ExpertWeights Point = "expert_weights"
	ExpertIndices Point = "expert_indices"
	MLPPre        Point = "mlp_pre"
	MLPPreLinear  Point = "mlp_pre_linear"
	MLPAct        Point = "mlp_act"
	MLPOut        Point = "mlp_out"
	MLPOutPost    Point = "mlp_out_post"
	ResidPost     Point = "resid_post"
	FinalNorm     Point = "final_norm"
	LMHead        Point = "lm_head"
)

// stage says how far a layer must be computed for a point to exist.
type stage uint8

const (
	atEmbedding stage = iota // before block 0
	atInput                  // the block's input: the block itself is not run
	atAttention              // the attention sublayer, up to resid_mid
	atMLP                    // the whole block
	atHead                   // after the last block
)

// pointRow is what there is to know about a point.
type pointRow struct {
	point    Point
	stage    stage
	editable bool
	hooks    []string // TransformerLens names after "blocks.<layer>."
	// width is the row width; nil for the attention points, whose rows are as wide as
	// there are keys.
	width func(a *architecture, b *block) int
	// refuse says why the point does not exist, "" if it does. nil = it always does.
	refuse func(a *architecture, b *block) string
}

func modelWidth(a *architecture, _ *block) int     { return a.width }
func headsWidth(_ *architecture, b *block) int     { return b.attention.queryWidth() }
func kvHeadsWidth(_ *architecture, b *block) int   { return b.attention.keyWidth() }
func mlpWidth(_ *architecture, b *block) int       { return b.mlp.width }
func vocabulary(a *architecture, _ *block) int     { return a.vocabulary }
func embeddingWidth(a *architecture, _ *block) int { return a.embedding.tokens.in }

func valueWidth(_ *architecture, b *block) int {
	if b.attention.fused != nil {
		return b.attention.fusedWidth()
	}
	return b.attention.keyWidth()
}

// noKeys refuses what only layers with keys and values of their own have.
func noKeys(a *architecture, b *block) string {
	if b.attention.shares {
		return fmt.Sprintf("uses the keys and values of layer %d in this layer", b.attention.sharedFrom)
	}
	return noSoftmax(a, b)
}

func noValue(a *architecture, b *block) string {
	if reason := noKeys(a, b); reason != "" {
		return reason
	}
	return unless(b.attention.value != nil || b.attention.fused != nil, "has no value projection in this layer: its values are its keys")
}

func noKeyNorm(a *architecture, b *block) string {
	if reason := noKeys(a, b); reason != "" {
		return reason
	}
	return noQueryNorm(a, b)
}

func noQueryNorm(a *architecture, b *block) string {
	if reason := noSoftmax(a, b); reason != "" {
		return reason
	}
	return unless(b.attention.queryNorm != nil, "has no norm on its queries and keys")
}

func noMiddle(_ *architecture, b *block) string {
	if b.parallel {
		return "computes attention and MLP in parallel, so there is no residual between them"
	}
	return unless(!b.normAfterSum, "normalises after each sum, so no norm reads the residual between attention and MLP")
}

func noGate(_ *architecture, b *block) string {
	if reason := noDenseMLP(nil, b); reason != "" {
		return reason
	}
	return unless(b.mlp.gated(), "has an ungated MLP")
}

func noRMS(a *architecture, _ *block) string {
	return unless(a.rmsEpsilon > 0, "uses LayerNorm; the normalised residual is defined for RMSNorm models only")
}

func noRMSMiddle(a *architecture, b *block) string {
	if reason := noMiddle(a, b); reason != "" {
		return reason
	}
	return noRMS(a, b)
}

func noFinalNorm(a *architecture, _ *block) string {
	return unless(a.finalNorm != nil, "has no norm behind its last block")
}

func noRouter(_ *architecture, b *block) string {
	return unless(b.experts != nil, "has no routed experts in this layer")
}

func noDenseMLP(_ *architecture, b *block) string {
	return unless(b.experts == nil, "sends each row to other experts, so this layer has no rows of one MLP")
}

func expertCount(_ *architecture, b *block) int   { return len(b.experts.each) }
func expertsChosen(_ *architecture, b *block) int { return b.experts.chosen }

func noOutputGate(_ *architecture, b *block) string {
	return unless(b.attention.queryGate != nil, "has no gate on its attention output in this layer")
}

func noSoftmax(_ *architecture, b *block) string {
	return unless(b.recurrent == nil, "uses linear attention in this layer")
}

func gateWidth(_ *architecture, b *block) int  { return 2 * b.attention.queryWidth() }
func mixerWidth(_ *architecture, b *block) int { return b.mixerWidth() }

func unless(condition bool, reason string) string {
	if condition {
		return ""
	}
	return reason
}

// pointTable is the vocabulary of points (contract: interp-engine's address table). Hook
// names, widths, refusals and how deep the model must run are derived from it.
var pointTable = []pointRow{
	{point: Embeddings, stage: atEmbedding, editable: true, width: embeddingWidth},
	{point: ResidPre, stage: atInput, editable: true, width: modelWidth, hooks: []string{"hook_resid_pre"}},
	{point: LN1Normalized, stage: atInput, width: modelWidth, refuse: noRMS, hooks: []string{"ln1.hook_normalized"}},
	{point: AttnIn, stage: atAttention, editable: true, width: modelWidth, hooks: []string{"hook_attn_in", "attn.hook_in"}},
	{point: Value, stage: atAttention, width: valueWidth, refuse: noValue, hooks: []string{"attn.hook_v", "hook_v"}},
	{point: HeadValues, stage: atAttention, width: kvHeadsWidth, refuse: noKeys},
	{point: QNormIn, stage: atAttention, width: headsWidth, refuse: noQueryNorm, hooks: []string{"attn.q_norm.hook_in"}},
	{point: QNormOut, stage: atAttention, width: headsWidth, refuse: noQueryNorm, hooks: []string{"attn.q_norm.hook_out"}},
	{point: KNormIn, stage: atAttention, width: kvHeadsWidth, refuse: noKeyNorm, hooks: []string{"attn.k_norm.hook_in"}},
	{point: KNormOut, stage: atAttention, width: kvHeadsWidth, refuse: noKeyNorm, hooks: []string{"attn.k_norm.hook_out"}},
	{point: AttnScores, stage: atAttention, refuse: noSoftmax, hooks: []string{"attn.hook_attn_scores", "hook_attn_scores"}},
	{point: AttnProbs, stage: atAttention, refuse: noSoftmax, hooks: []string{"attn.hook_pattern", "hook_pattern"}},
	{point: Z, stage: atAttention, editable: true, width: mixerWidth, hooks: []string{"attn.hook_z", "hook_z"}},
	{point: AttnGate, stage: atAttention, width: gateWidth, refuse: noOutputGate},
	{point: AttnOut, stage: atAttention, editable: true, width: modelWidth, hooks: []string{"attn.hook_out"}},
	{point: AttnOutPost, stage: atAttention, editable: true, width: modelWidth, hooks: []string{"hook_attn_out"}},
	{point: ResidMid, stage: atAttention, editable: true, width: modelWidth, refuse: noMiddle, hooks: []string{"hook_resid_mid"}},
	{point: LN2Normalized, stage: atAttention, width: modelWidth, refuse: noRMSMiddle, hooks: []string{"ln2.hook_normalized"}},
	{point: MLPIn, stage: atMLP, editable: true, width: modelWidth, hooks: []string{"hook_mlp_in", "mlp.hook_in"}},
	{point: RouterLogits, stage: atMLP, width: expertCount, refuse: noRouter},
	{point: ExpertWeights, stage: atMLP, width: expertsChosen, refuse: noRouter},
	{point: ExpertIndices, stage: atMLP, width: expertsChosen, refuse: noRouter, hooks: []string{"mlp.hook_expert_indices"}},
	{point: MLPPre, stage: atMLP, editable: true, width: mlpWidth, refuse: noDenseMLP, hooks: []string{"mlp.hook_pre", "hook_pre"}},
	{point: MLPPreLinear, stage: atMLP, editable: true, width: mlpWidth, refuse: noGate, hooks: []string{"mlp.hook_pre_linear", "hook_pre_linear"}},
	{point: MLPAct, stage: atMLP, editable: true, width: mlpWidth, refuse: noDenseMLP, hooks: []string{"mlp.hook_post", "hook_post"}},
	{point: MLPOut, stage: atMLP, editable: true, width: modelWidth, hooks: []string{"mlp.hook_out"}},
	{point: MLPOutPost, stage: atMLP, editable: true, width: modelWidth, hooks: []string{"hook_mlp_out"}},
	{point: ResidPost, stage: atMLP, editable: true, width: modelWidth, hooks: []string{"hook_resid_post", "hook_out"}},
	{point: FinalNorm, stage: atHead, editable: true, width: modelWidth, refuse: noFinalNorm},
	{point: LMHead, stage: atHead, width: vocabulary},
}
