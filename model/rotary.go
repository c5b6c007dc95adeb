package model

import (
	"math"
	"slices"

	"npinf/kernels"
)

// rotary describes rotary position embeddings: pair i of a head turns by
// position · frequencies[i].
type rotary struct {
	dim         int       // leading dims of a head that rotate
	interleaved bool      // pairs are (2i, 2i+1) instead of (i, i+dim/2)
	frequencies []float32 // [dim/2]
	scale       float32   // on cosine and sine
	// long replaces frequencies for sequences longer than longAfter (LongRoPE); nil = never.
	long      []float32
	longAfter int
}

// rotaryReader reads one rotary embedding out of a configuration, old or new spelling.
type rotaryReader struct {
	rotaryDefaults
	config  *config
	dict    *config // rope_scaling or rope_parameters, or nil
	headDim int
}

// rotaryDefaults are a family's values of absent keys.
type rotaryDefaults struct {
	theta   float64
	partial float64 // 0 = 1
	kind    string  // which entry of a rope_parameters that is nested by layer type
	plain   bool    // ignore rope_scaling and rope_theta outside of such an entry
	// original is the absent original_max_position_embeddings; 0 = max_position_embeddings.
	original float64
	// suIsLong reads the types "su" and "yarn" as LongRoPE, as Phi-3 files mean them.
	suIsLong bool
}

// rotary reads the rotary embedding for heads of the given width. A non-empty rope_scaling
// wins over rope_parameters, and keys inside the dictionary win over top-level ones.
func (c *config) rotary(headDim int, defaults rotaryDefaults) *rotary {
	if defaults.partial == 0 {
		defaults.partial = 1
	}
	reader := rotaryReader{rotaryDefaults: defaults, config: c, headDim: headDim}
	var nested bool
	reader.dict, nested = c.rotaryDictionary(defaults.kind)
	if defaults.plain && !nested {
		reader.dict = nil
	} else {
		reader.theta = c.positive("rope_theta", defaults.theta)
	}
	reader.partial = c.positive("partial_rotary_factor", defaults.partial)
	if reader.dict != nil {
		reader.theta = reader.dict.positive("rope_theta", reader.theta)
		reader.partial = reader.dict.positive("partial_rotary_factor", reader.partial)
	}
	return reader.read()
}

// rotaryDictionary finds rope_scaling or rope_parameters; nested tells that it came from
// the entry for one layer type.
func (c *config) rotaryDictionary(kind string) (dict *config, nested bool) {
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		outer := c.object(key)
		if outer == nil {
			continue
		}
		if kind == "" || !outer.has(kind) {
			return outer, false
		}
		return outer.object(kind), true
	}
	return nil, false
}

func (r *rotaryReader) read() *rotary {
	dim := int(float64(r.headDim)*r.partial) &^ 1
	if r.dict != nil && r.dict.text("rope_type", "") == "proportional" && r.partial <= 1 {
		dim = r.headDim
	}
	if dim < 2 || dim > r.headDim {
		r.config.fail("partial_rotary_factor %g leaves %d of %d head dimensions to rotate", r.partial, dim, r.headDim)
		return &rotary{dim: 2, scale: 1, frequencies: []float32{1}}
	}
	result := &rotary{dim: dim, scale: 1, frequencies: frequencies(r.theta, dim)}
	if r.dict == nil {
		return result
	}
	kind := r.dict.text("rope_type", r.dict.text("type", "default"))
	if r.suIsLong && (kind == "su" || kind == "yarn") {
		kind = "longrope"
	}
	switch kind {
	case "default", "mrope": // for text the axes of mrope are equal
	case "proportional": // frequencies of the whole head, all but the first pairs standing still
		clear(result.frequencies[int(r.partial*float64(r.headDim)/2):])
	case "linear":
		factor := r.factor()
		for i := range result.frequencies {
			result.frequencies[i] /= factor
		}
	case "llama3":
		r.llama3(result)
	case "yarn":
		r.yarn(result)
	case "longrope":
		r.longRoPE(result)
	default:
		r.dict.fail("rope_type = %q is not supported; supported: default, linear, llama3, yarn, longrope, proportional", kind)
	}
	return result
}

// frequencies are theta^(-2i/dim), rounded as the float32 reference rounds them.
func frequencies(theta float64, dim int) []float32 {
	values := make([]float32, dim/2)
	for i := range values {
		values[i] = 1 / float32(math.Pow(theta, float64(float32(2*i)/float32(dim))))
	}
	return values
}

func (r *rotaryReader) factor() float32 {
	if !r.dict.has("factor") {
		r.dict.fail("factor is missing")
		return 1
	}
	return float32(r.dict.positive("factor", 1))
}

// originalLength is the context the model was first trained on.
func (r *rotaryReader) originalLength() float64 {
	const key = "original_max_position_embeddings"
	absent := r.original
	if absent == 0 {
		absent = r.config.positive("max_position_embeddings", 2048)
	}
	return r.config.positive(key, r.dict.positive(key, absent))
}

// longRoPE divides each frequency by a factor of its own, from one of two lists: the long
// one once a sequence is longer than the original context.
func (r *rotaryReader) longRoPE(result *rotary) {
	original := r.originalLength()
	result.longAfter = int(original)
	result.long = append([]float32(nil), result.frequencies...)
	for _, list := range []struct {
		key    string
		values []float32
	}{{"short_factor", result.frequencies}, {"long_factor", result.long}} {
		factors := r.dict.numbers(list.key)
		if len(factors) != len(list.values) {
			r.dict.fail("%s has %d entries, want %d", list.key, len(factors), len(list.values))
			return
		}
		for i, factor := range factors {
			list.values[i] /= float32(factor)
		}
	}
	growth := r.config.positive("max_position_embeddings", original) / original
	scale := 1.0
	if growth > 1 {
		scale = math.Sqrt(1 + math.Log(growth)/math.Log(original))
	}
	result.scale = float32(r.dict.positive("attention_factor", scale))
}

// llama3 divides the slow frequencies by the factor, leaves the fast ones and blends
// between (HF rope_type "llama3").
func (r *rotaryReader) llama3(result *rotary) {
	factor := r.factor()
	low := float32(r.dict.positive("low_freq_factor", 1))
	high := float32(r.dict.positive("high_freq_factor", 4))
	original := float32(r.originalLength())
	if !(high > low) {
		r.dict.fail("high_freq_factor %g must be above low_freq_factor %g", high, low)
	}
	for i, frequency := range result.frequencies {
		wavelength := 2 * math.Pi / frequency
		switch {
		case wavelength > original/low:
			result.frequencies[i] = frequency / factor
		case wavelength >= original/high:
			smooth := (original/wavelength - low) / (high - low)
			result.frequencies[i] = (1-smooth)*frequency/factor + smooth*frequency
		}
	}
}

// yarn interpolates the dimensions that turn seldom and keeps those that turn often
// (Peng et al. 2023); cosine and sine are scaled by the attention factor.
func (r *rotaryReader) yarn(result *rotary) {
	factor := r.factor()
	dim := float64(result.dim)
	original := r.originalLength()
	// dimensionOf is where a pair makes the given number of turns over the original length.
	dimensionOf := func(turns float64) float64 {
		return dim * math.Log(original/(turns*2*math.Pi)) / (2 * math.Log(r.theta))
	}
	low := dimensionOf(r.dict.positive("beta_fast", 32))
	high := dimensionOf(r.dict.positive("beta_slow", 1))
	if r.dict.flag("truncate", true) {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, dim-1)
	if low == high {
		high += 0.001
	}
	for i, frequency := range result.frequencies {
		slow := float32(min(max((float64(i)-low)/(high-low), 0), 1))
		result.frequencies[i] = frequency/factor*slow + frequency*(1-slow)
	}
	result.scale = r.yarnScale(float64(factor))
}

// yarnScale is attention_factor, or the ratio of the two mscale corrections, or
// 0.1·ln(factor) + 1.
func (r *rotaryReader) yarnScale(factor float64) float32 {
	correction := func(mscale float64) float64 {
		if factor <= 1 {
			return 1
		}
		return 0.1*mscale*math.Log(factor) + 1
	}
	if r.dict.has("attention_factor") && !r.dict.isNull("attention_factor") {
		return float32(r.dict.positive("attention_factor", 1))
	}
	numerator, denominator := r.dict.number("mscale", 0), r.dict.number("mscale_all_dim", 0)
	if numerator != 0 && denominator != 0 {
		return float32(correction(numerator) / correction(denominator))
	}
	return float32(correction(1))
}

// tables returns cosine and sine, [len(positions), dim/2] each. length(row) is how long
// the row's sequence is, which LongRoPE chooses by. room is working memory that grows.
func (r *rotary) tables(device kernels.Device, positions []int, length func(row int) int, room *[]float32) (cosine, sine kernels.Buffer) {
	half := r.dim / 2
	size := len(positions) * half
	*room = slices.Grow((*room)[:0], 2*size)
	cosines, sines := (*room)[:size], (*room)[size:2*size]
	for row, position := range positions {
		table := r.frequencies
		if r.long != nil && length(row) > r.longAfter {
			table = r.long
		}
		for i, frequency := range table {
			// The angle is rounded to float32, as the reference computes it.
			s, c := math.Sincos(float64(frequency * float32(position)))
			cosines[row*half+i], sines[row*half+i] = float32(c)*r.scale, float32(s)*r.scale
		}
	}
	return device.Upload(len(positions), half, cosines), device.Upload(len(positions), half, sines)
}
