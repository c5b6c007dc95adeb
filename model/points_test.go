package model

import (
	"slices"
	"strings"
	"testing"
)

func TestParseHook(t *testing.T) {
	for name, want := range map[string]Address{
		"blocks.7.hook_resid_pre":          {ResidPre, 7},
		"blocks.0.hook_resid_mid":          {ResidMid, 0},
		"blocks.12.hook_resid_post":        {ResidPost, 12},
		"blocks.1.hook_out":                {ResidPost, 1},
		"blocks.1.hook_mlp_out":            {MLPOutPost, 1},
		"blocks.1.hook_attn_out":           {AttnOutPost, 1},
		"blocks.1.mlp.hook_out":            {MLPOut, 1},
		"blocks.1.attn.hook_out":           {AttnOut, 1},
		"blocks.1.hook_mlp_in":             {MLPIn, 1},
		"blocks.1.attn.hook_in":            {AttnIn, 1},
		"blocks.1.attn.hook_z":             {Z, 1},
		"blocks.1.hook_v":                  {Value, 1},
		"blocks.1.hook_pattern":            {AttnProbs, 1},
		"blocks.1.attn.hook_attn_scores":   {AttnScores, 1},
		"blocks.1.mlp.hook_post":           {MLPAct, 1},
		"blocks.1.mlp.hook_pre":            {MLPPre, 1},
		"blocks.1.hook_pre_linear":         {MLPPreLinear, 1},
		"blocks.1.attn.q_norm.hook_out":    {QNormOut, 1},
		"blocks.1.attn.k_norm.hook_in":     {KNormIn, 1},
		"blocks.1.ln1.hook_normalized":     {LN1Normalized, 1},
		"blocks.1.ln2.hook_normalized":     {LN2Normalized, 1},
		"blocks.1.mlp.hook_expert_indices": {"expert_indices", 1},
		"blocks.999999999.hook_resid_pre":  {ResidPre, 999999999},
	} {
		if got, err := ParseHook(name); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	for _, name := range []string{"", "foo", "hook_embed", "ln_final.hook_normalized", "blocks.hook_resid_pre", "blocks.-1.hook_resid_pre",
		"blocks.1.hook_q", "blocks.1.ln2.hook_scale", "blocks.1.ln2_post.hook_normalized", "blocks.1.resid_post", "blocks.1.", "blocks.1",
		"xblocks.1.hook_z", "blocks.99999999999999999999.hook_z", "blocks.1.hook_z ", "blocks.+1.hook_z"} {
		if _, err := ParseHook(name); err == nil || !strings.Contains(err.Error(), `"`+name+`"`) {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestCheckAndWidths(t *testing.T) {
	device := cpu(t)
	llama, neox := loadSmall(t, smallLlama, device), loadSmall(t, smallNeoX, device)
	for _, c := range []struct {
		model *Model
		at    Address
		width int    // of a point that exists
		want  string // in the error otherwise
	}{
		{llama, Address{ResidPost, 2}, 16, ""},
		{llama, Address{Value, 0}, 8, ""},
		{llama, Address{MLPAct, 0}, 24, ""},
		{llama, Address{LMHead, -1}, 40, ""},
		{llama, Address{Embeddings, -1}, 16, ""},
		{neox, Address{Value, 0}, 96, ""},
		{neox, Address{HeadValues, 0}, 32, ""},
		{llama, Address{ResidPost, 3}, 0, "layer 3 of resid_post is out of range; this model has 3 layers (0-2)"},
		{llama, Address{ResidPost, -1}, 0, "layer -1 of resid_post is out of range"},
		{llama, Address{FinalNorm, 0}, 0, "takes no layer"},
		{llama, Address{"hidden", 0}, 0, `unknown point "hidden"`},
		{llama, Address{QNormIn, 0}, 0, "llama has no norm on its queries and keys"},
		{llama, Address{"router_logits", 0}, 0, "no routed experts"},
		{neox, Address{ResidMid, 0}, 0, "in parallel"},
		{neox, Address{MLPPreLinear, 0}, 0, "ungated"},
		{neox, Address{LN1Normalized, 0}, 0, "LayerNorm"},
		{neox, Address{LN2Normalized, 0}, 0, "in parallel"},
	} {
		width, err := c.model.PointWidth(c.at)
		if check := c.model.Check(c.at); (check == nil) != (err == nil) {
			t.Errorf("%s: Check says %v, PointWidth %v", c.at, check, err)
		}
		if c.want == "" && (err != nil || width != c.width) {
			t.Errorf("%s: width %d, %v; want %d", c.at, width, err, c.width)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want one with %q", c.at, err, c.want)
		}
	}
	if _, err := llama.PointWidth(Address{AttnProbs, 0}); err == nil {
		t.Error("attn_probs has a width")
	}
}

// TestPointsAreServed captures everything that Points lists, at the width it states.
func TestPointsAreServed(t *testing.T) {
	device := cpu(t)
	for _, text := range append(smallConfigs, smallHybrid) {
		m := loadSmall(t, text, device)
		points := m.Points()
		if !slices.IsSorted(points) || len(points) < 15 {
			t.Errorf("points %v", points)
		}
		for _, point := range points {
			at := Address{point, -1}
			for rowOf(point).inBlock() && m.Check(at) != nil { // some layer has it
				at.Layer++
			}
			tap := tapAt(at.Point, at.Layer)
			mustForward(t, m, &Sequence{Tokens: somePrompt, Taps: []*Tap{tap}})
			width, err := m.PointWidth(at)
			if err != nil {
				width = len(somePrompt)
			}
			if tap.Out.IsZero() || tap.Out.Width != width {
				t.Errorf("%s: captured [%d, %d], want width %d", at, tap.Out.Rows, tap.Out.Width, width)
			}
		}
	}
}
