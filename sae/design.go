package sae

import (
	"fmt"
	"slices"
	"strings"

	"npinf/kernels"
)

// design is what distinguishes one architecture from the others (sae.md §2).
type design struct {
	kind       kernels.EncoderKind
	parameters []string
	defaults   map[string]any // fields of its own beside those of every architecture
	ranked     bool           // keeps the k largest
	transcoder bool           // predicts another place: own output width, no un-normalisation
}

var (
	plain      = []string{"W_enc", "b_enc", "W_dec", "b_dec"}
	jump       = []string{"W_enc", "b_enc", "W_dec", "b_dec", "threshold"}
	topK       = map[string]any{"k": 100.0, "rescale_acts_by_decoder_norm": false}
	transcodes = map[string]any{"d_out": 768.0}
)

// designs is the table of architectures.
var designs = map[string]design{
	"standard":                 {kind: kernels.EncodeReLU, parameters: plain},
	"jumprelu":                 {kind: kernels.EncodeJumpReLU, parameters: jump},
	"gated":                    {kind: kernels.EncodeGated, parameters: []string{"W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag"}},
	"topk":                     {kind: kernels.EncodeTopK, parameters: plain, ranked: true, defaults: topK},
	"abstopk":                  {kind: kernels.EncodeAbsTopK, parameters: plain, ranked: true, defaults: topK},
	"transcoder":               {kind: kernels.EncodeReLU, parameters: plain, transcoder: true, defaults: transcodes},
	"jumprelu_transcoder":      {kind: kernels.EncodeJumpReLU, parameters: jump, transcoder: true, defaults: transcodes},
	"skip_transcoder":          {kind: kernels.EncodeReLU, parameters: append(plain[:4:4], "W_skip"), transcoder: true, defaults: transcodes},
	"jumprelu_skip_transcoder": {kind: kernels.EncodeJumpReLU, parameters: append(jump[:5:5], "W_skip"), transcoder: true, defaults: transcodes},
	"matching_pursuit":         {parameters: []string{"W_dec", "b_dec"}, defaults: pursuitDefaults},
	"temporal":                 {parameters: []string{"W_dec", "b_dec"}, defaults: temporalDefaults},
}

// shapeOf is the shape a parameter must have.
func (s *settings) shapeOf(name string) []int {
	switch name {
	case "W_enc":
		return []int{s.dIn, s.dSAE}
	case "W_dec":
		return []int{s.dSAE, s.dOut}
	case "b_dec":
		return []int{s.dOut}
	case "W_skip":
		return []int{s.dOut, s.dIn}
	}
	return []int{s.dSAE}
}

// wanted maps the names of all parameters of the source to their shapes.
func (s *settings) wanted() (map[string][]int, error) {
	wanted := map[string][]int{}
	for _, name := range s.design.parameters {
		wanted[name] = s.shapeOf(name)
	}
	if s.architecture == "temporal" {
		return wanted, s.temporalShapes(wanted)
	}
	return wanted, nil
}

// checkParameters compares what a file holds with what the architecture needs. One error
// names every difference.
func checkParameters(parameters map[string]parameter, wanted map[string][]int, architecture, file string) error {
	var problems []string
	for name, shape := range wanted {
		p, found := parameters[name]
		if !found {
			problems = append(problems, "no tensor "+name)
		} else if !slices.Equal(p.shape(), shape) {
			problems = append(problems, fmt.Sprintf("tensor %s is %v, want %v", name, p.shape(), shape))
		}
	}
	for name := range parameters {
		if _, known := wanted[name]; !known {
			problems = append(problems, "unexpected tensor "+name)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	return fmt.Errorf("%s does not hold a %s source: %s", file, architecture, strings.Join(problems, "; "))
}
