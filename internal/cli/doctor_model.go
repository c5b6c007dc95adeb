package cli

import (
	"context"
	"fmt"

	"npinf/engine"
	"npinf/hub"
)

// modelReport is what doctor says about a model on this machine. Bytes are of memory unless
// their name says otherwise.
type modelReport struct {
	Family        string `json:"family"`
	DType         string `json:"dtype"`
	WeightBytes   int64  `json:"weight_bytes"`
	PackedBytes   int64  `json:"packed_expert_bytes,omitempty"`
	HalfBytes     int64  `json:"weight_bytes_as_bfloat16,omitempty"`
	Int8Bytes     int64  `json:"weight_bytes_as_int8,omitempty"`
	TokenBytes    int64  `json:"kv_bytes_per_token"`
	SequenceBytes int64  `json:"state_bytes_per_sequence,omitempty"`
	ThousandBytes int64  `json:"kv_bytes_for_1000_tokens"`
	Sources       int    `json:"sources"`
	SourceBytes   int64  `json:"source_bytes"`
	DownloadBytes int64  `json:"download_bytes"`
	LeftBytes     int64  `json:"memory_left_bytes"`
	Fits          bool   `json:"fits"`
	// SourcesThatFit beside the weights, when they have the average size.
	SourcesThatFit int `json:"sources_that_fit"`
}

// examineModel says what the configured model takes, and why it cannot be served if so.
func (st *station) examineModel(ctx context.Context) (r *modelReport, text, problem string) {
	need, err := engine.New(st.config).Requirements(ctx)
	if err != nil {
		return nil, "", err.Error()
	}
	if err := need.Fits(); err != nil {
		problem = err.Error()
	}
	r = &modelReport{
		Family: need.Family, DType: need.DType, WeightBytes: need.WeightBytes, PackedBytes: need.PackedBytes, HalfBytes: need.HalfBytes, Int8Bytes: need.Int8Bytes,
		TokenBytes: need.TokenBytes, SequenceBytes: need.FixedBytes, ThousandBytes: need.ThousandBytes,
		Sources: need.Sources, SourceBytes: need.SourceBytes,
		DownloadBytes: need.DownloadBytes + need.SourceDownloadBytes, LeftBytes: need.Left(), Fits: problem == "", SourcesThatFit: need.Sources,
	}
	if need.Sources > 0 && need.SourceBytes > 0 && need.MemoryBytes > 0 {
		r.SourcesThatFit = min(need.Sources, int(need.Left()/max(need.SourceBytes/int64(need.Sources), 1)))
	}
	return r, need.String(), problem
}

// print adds the lines about a model to doctor's table.
func (r *modelReport) print(line func(name, format string, args ...any), diskFree int64) {
	packed := ""
	if r.PackedBytes > 0 {
		packed = fmt.Sprintf(", of which %s are experts in MXFP4, widened when they are chosen", hub.BytesText(r.PackedBytes))
	}
	line("family", "%s", r.Family)
	line("weights", "%s as %s%s", hub.BytesText(r.WeightBytes), r.DType, packed)
	state := ""
	if r.SequenceBytes > 0 {
		state = fmt.Sprintf(", and %s per sequence", hub.BytesText(r.SequenceBytes))
	}
	line("kv cache", "%s per token%s: %s for 1000 tokens", hub.BytesText(r.TokenBytes), state, hub.BytesText(r.ThousandBytes))
	if r.Sources > 0 {
		line("sources", "%d, at most %s of memory", r.Sources, hub.BytesText(r.SourceBytes))
	} else {
		line("sources", "none configured")
	}
	line("download", "%s%s", hub.BytesText(r.DownloadBytes), r.diskNote(diskFree))
	line("fits", "%s", r.verdict())
}

// diskNote says what happens to a download that the cache's disk has no room for; free is
// negative where the system does not tell.
func (r *modelReport) diskNote(free int64) string {
	if free < 0 || r.DownloadBytes <= free {
		return ""
	}
	return fmt.Sprintf(", more than the %s free for the cache: what finds no room is streamed into memory at every start; free space, or let HF_HOME name another disk", hub.BytesText(free))
}

// verdict says what fits beside the weights, and what could be done about the rest.
func (r *modelReport) verdict() string {
	if !r.Fits {
		return "no"
	}
	text := "yes"
	if r.LeftBytes > 0 {
		text += fmt.Sprintf("; %s stay for sources and requests", hub.BytesText(r.LeftBytes))
	}
	if r.SourcesThatFit < r.Sources {
		text += fmt.Sprintf("; only about %d of the %d sources: start with --max-loaded-saes %d, fewer sets, or --sae-dtype bfloat16",
			r.SourcesThatFit, r.Sources, max(r.SourcesThatFit, 1))
		if r.HalfBytes > 0 {
			text += fmt.Sprintf(", or --model-dtype bfloat16, with which the weights take %s", hub.BytesText(r.HalfBytes))
		}
		if r.Int8Bytes > 0 {
			text += fmt.Sprintf(", or --weights int8, with which they are rounded to %s", hub.BytesText(r.Int8Bytes))
		}
	}
	return text
}
