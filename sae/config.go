package sae

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// settings is the configuration of a source in SAELens' terms after all defaults.
type settings struct {
	architecture string
	design       design
	dIn, dSAE    int
	dOut         int  // dIn unless the source is a transcoder
	subtract     bool // apply_b_dec_to_input
	normalize    string
	hook         string
	k            int  // topk and abstopk
	rescale      bool // rescale_acts_by_decoder_norm
	fields       map[string]any
	metadata     map[string]any
}

// settle applies SAELens' defaults to the configuration a dialect produced (sae.md §5).
func settle(values map[string]any, where string) (*settings, error) {
	if !modern(values) {
		values = modernise(values)
	}
	metadata, _ := values["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	o := &options{values: values, where: where}
	s := &settings{architecture: o.text("architecture"), metadata: metadata}
	if o.err != nil {
		return nil, o.err
	}
	known := false
	if s.design, known = designs[s.architecture]; !known {
		return nil, fmt.Errorf("%s: architecture %q is unknown; it must be one of %s (training architectures are published as jumprelu)",
			where, s.architecture, strings.Join(slices.Sorted(maps.Keys(designs)), ", "))
	}
	o.values = withDefaults(values, s.design.defaults)
	s.dIn, s.dSAE = o.size("d_in"), o.size("d_sae")
	s.dOut = s.dIn
	if s.design.transcoder {
		s.dOut = o.size("d_out")
	}
	s.subtract = o.boolean("apply_b_dec_to_input")
	s.checkNormalization(o)
	s.checkHook(o)
	s.checkTopK(o)
	s.fields = s.pick(o.values)
	return s, o.err
}

// commonDefaults hold for every architecture.
var commonDefaults = map[string]any{
	"apply_b_dec_to_input": true, "normalize_activations": "none", "reshape_activations": "none",
}

func withDefaults(values, special map[string]any) map[string]any {
	result := maps.Clone(commonDefaults)
	maps.Copy(result, special)
	maps.Copy(result, values)
	return result
}

// pick keeps the fields of the architecture's class.
func (s *settings) pick(values map[string]any) map[string]any {
	fields := map[string]any{"d_in": s.dIn, "d_sae": s.dSAE}
	for _, names := range []map[string]any{commonDefaults, s.design.defaults} {
		for name := range names {
			fields[name] = values[name]
		}
	}
	return fields
}

// Values of normalize_activations.
const (
	normalizeNone     = "none"
	normalizeExpected = "expected_average_only_in"
	normalizeLength   = "constant_norm_rescale"
	normalizeLayer    = "layer_norm"
	normalizeWhiten   = "covariance_whitening"
	normalizeScalar   = "constant_scalar_rescale"
)

func (s *settings) checkNormalization(o *options) {
	allowed := []string{normalizeNone, normalizeExpected, normalizeLayer, normalizeLength, normalizeWhiten}
	if s.architecture == "temporal" {
		allowed[4] = normalizeScalar
	}
	value, _ := o.get("normalize_activations")
	s.normalize, _ = value.(string)
	if !slices.Contains(allowed, s.normalize) {
		o.fail("normalize_activations", "is %v, want one of %s", value, strings.Join(allowed, ", "))
	}
	if s.design.transcoder && s.subtract {
		o.fail("apply_b_dec_to_input", "is true, which a transcoder (%s) does not support", s.architecture)
	}
}

func (s *settings) checkHook(o *options) {
	s.hook, _ = s.metadata["hook_name"].(string)
	if s.hook == "" {
		o.fail("hook_name", "is missing: without a hook nothing can be captured")
	}
	switch reshape, _ := o.get("reshape_activations"); {
	case reshape == any("none"):
	case reshape != any("hook_z"):
		o.fail("reshape_activations", "is %v, want none or hook_z", reshape)
	case !strings.HasSuffix(s.hook, "_z"):
		o.fail("reshape_activations", "is hook_z, but hook_name %q does not end in _z", s.hook)
	}
}

func (s *settings) checkTopK(o *options) {
	if !s.design.ranked {
		return
	}
	s.k, s.rescale = o.size("k"), o.boolean("rescale_acts_by_decoder_norm")
	if o.err == nil && s.k > s.dSAE {
		o.fail("k", "is %d, more than the %d features of d_sae", s.k, s.dSAE)
	}
}

var versionPattern = regexp.MustCompile(`^(\d+)\.(\d+)\.(\d+)(.*)$`)

// modern reports whether a configuration was written by SAELens 6.0.0-rc.0 or later and is
// to be taken literally.
func modern(values map[string]any) bool {
	version, found := values["sae_lens_version"].(string)
	if !found {
		metadata, _ := values["metadata"].(map[string]any)
		version, _ = metadata["sae_lens_version"].(string)
	}
	parts := versionPattern.FindStringSubmatch(version)
	if parts == nil {
		return false
	}
	major, _ := strconv.Atoi(parts[1])
	early := parts[2] == "0" && parts[3] == "0" && strings.Trim(parts[4], "-.") != "" &&
		!strings.HasPrefix(strings.Trim(parts[4], "-."), "rc") && !strings.HasPrefix(parts[4], "+")
	return major > 6 || (major == 6 && !early)
}

// renamed are the spellings of the oldest files.
var renamed = map[string]string{
	"hook_point": "hook_name", "hook_point_head_index": "hook_head_index", "activation_fn_str": "activation_fn",
}

// metadataKeys are what an old configuration has at the top and a modern one in metadata.
var metadataKeys = []string{
	"model_name", "hook_name", "hook_name_out", "model_class_name", "hook_head_index", "hook_head_index_out",
	"model_from_pretrained_kwargs", "prepend_bos", "exclude_special_tokens", "neuronpedia_id", "context_size",
	"seqpos_slice", "dataset_path", "sae_lens_version", "sae_lens_training_version", "hf_hook_name", "hf_hook_name_out",
}

// modernise turns a configuration of any version before 6 into a modern one.
func modernise(old map[string]any) map[string]any {
	values := map[string]any{
		"prepend_bos": true, "architecture": "standard", "activation_fn": "relu", "apply_b_dec_to_input": true,
		"neuronpedia_id": nil, "sae_lens_training_version": nil,
	}
	maps.Copy(values, old)
	for from, to := range renamed {
		if value, found := old[from]; found {
			values[to] = value
			delete(values, from)
		}
	}
	if _, found := values["reshape_activations"]; !found {
		values["reshape_activations"] = "none"
		if hook, _ := values["hook_name"].(string); strings.Contains(hook, "hook_z") {
			values["reshape_activations"] = "hook_z"
		}
	}
	if values["activation_fn"] == any("topk") {
		kwargs, _ := values["activation_fn_kwargs"].(map[string]any)
		if k := kwargs["k"]; k != nil {
			values["architecture"], values["k"] = "topk", k
		}
	}
	switch values["normalize_activations"] {
	case nil, false:
		values["normalize_activations"] = normalizeNone
	case true:
		values["normalize_activations"] = normalizeExpected
	}
	metadata := map[string]any{}
	for _, key := range metadataKeys {
		if value, found := values[key]; found {
			metadata[key] = value
		}
	}
	values["metadata"] = metadata
	return values
}

var layerPattern = regexp.MustCompile(`\.(\d+)(?:\.|$)`)

// layerOf reads the layer out of a hook name; -1 when it has none.
func layerOf(hook string) int {
	match := layerPattern.FindStringSubmatch(hook)
	if match == nil {
		return -1
	}
	layer, err := strconv.Atoi(match[1])
	if err != nil {
		return -1
	}
	return layer
}
