package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// tolerance is how far numbers may be apart.
type tolerance struct{ Rel, Abs float64 }

// orDefault is the tolerance of the recordings, but for twice their absolute part: where
// terms of size ten cancel, float32 leaves a little more than 1e-5 to the order of sums.
func (t tolerance) orDefault() tolerance {
	if t.Rel == 0 {
		t.Rel = 1e-4
	}
	if t.Abs == 0 {
		t.Abs = 2e-5
	}
	return t
}

// rounded are the fields whose numbers are rounded in the answer, with one step of the last
// digit: rounding may fall either way.
var rounded = map[string]float64{"attentionValues": 1.01e-4, "maxActivation": 1.01e-4, "top_probs": 1.01e-4, "activeFeatures": 1.01e-3}

// comparison collects the differences of two decoded JSON values.
type comparison struct {
	tolerance
	ignore      []string // dotted paths
	differences []string
}

func (c *comparison) add(path []string, want, got any) {
	text := func(v any) string {
		s := toText(v)
		return s[:min(len(s), 200)]
	}
	c.differences = append(c.differences, fmt.Sprintf("%s: want %s, got %s", strings.Join(path, "."), text(want), text(got)))
}

// near is written so that NaN is never near.
func (c *comparison) near(a, b float64, path []string) bool {
	slack := c.Abs
	for _, part := range path {
		slack = max(slack, rounded[part])
	}
	return math.Abs(a-b) <= slack+c.Rel*max(math.Abs(a), math.Abs(b))
}

func (c *comparison) run(want, got any, path []string) {
	if c.ignores(path) {
		return
	}
	switch w := want.(type) {
	case float64:
		if g, ok := got.(float64); !ok || !c.near(w, g, path) {
			c.add(path, want, got)
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			c.add(path, want, got)
			return
		}
		c.objects(w, g, path)
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			c.add(path, want, got)
			return
		}
		g = c.align(w, g, path)
		for i := range w {
			c.run(w[i], g[i], append(path, fmt.Sprint(i)))
		}
	default:
		if want != got {
			c.add(path, want, got)
		}
	}
}

// ignores reports whether a path is left out; * in a pattern stands for any one part.
func (c *comparison) ignores(path []string) bool {
	return slices.ContainsFunc(c.ignore, func(pattern string) bool {
		return slices.EqualFunc(strings.Split(pattern, "."), path, func(part, name string) bool { return part == "*" || part == name })
	})
}

func (c *comparison) objects(want, got map[string]any, path []string) {
	if len(path) > 0 && path[len(path)-1] == "activeFeatures" {
		c.firing(want, got, path)
		return
	}
	if _, ok := want["attentionIndices"]; ok {
		want, got = withoutBorder(want, got), withoutBorder(got, want)
	}
	for key := range want {
		value, ok := got[key]
		if !ok && !c.ignores(append(path, key)) {
			c.add(append(path, key), want[key], "(absent)")
			continue
		}
		c.run(want[key], value, append(path, key))
	}
	for key := range got {
		if _, ok := want[key]; !ok && !c.ignores(append(path, key)) {
			c.add(append(path, key), "(absent)", got[key])
		}
	}
}

// firing compares the firing features; entries that round to zero may come or go.
func (c *comparison) firing(want, got map[string]any, path []string) {
	cells := func(features map[string]any) map[string]float64 {
		values := map[string]float64{}
		for feature, list := range features {
			for _, pair := range list.([]any) {
				values[fmt.Sprint(feature, " at ", pair.([]any)[0])] = pair.([]any)[1].(float64)
			}
		}
		return values
	}
	w, g := cells(want), cells(got)
	for key, value := range w {
		other, ok := g[key]
		if (!ok && !(math.Abs(value) <= 0.001)) || (ok && !c.near(value, other, path)) {
			c.add(append(path, key), value, other)
		}
	}
	for key, value := range g {
		if _, ok := w[key]; !ok && !(math.Abs(value) <= 0.001) {
			c.add(append(path, key), "(absent)", value)
		}
	}
}

// withoutBorder drops cells of a sparse pattern that the other one lacks and that lie at the
// threshold.
func withoutBorder(pattern, other map[string]any) map[string]any {
	result := map[string]any{}
	for key, value := range pattern {
		result[key] = value
	}
	indices, values := []any{}, []any{}
	for i, index := range pattern["attentionIndices"].([]any) {
		value := pattern["attentionValues"].([]any)[i]
		border := math.Abs(value.(float64)-attentionLeast) < 2e-4
		if border && !slices.Contains(other["attentionIndices"].([]any), index) {
			continue
		}
		indices, values = append(indices, index), append(values, value)
	}
	result["attentionIndices"], result["attentionValues"] = indices, values
	return result
}

// align puts entries of one rank into the wanted order: where the values that rank them
// agree within tolerance, either order is right.
func (c *comparison) align(want, got []any, path []string) []any {
	if len(want) == 0 || len(path) == 0 {
		return got
	}
	var rank func(entry any) float64
	var key func(entry any) string
	field := func(entry any, name string) any { return entry.(map[string]any)[name] }
	switch last := strings.TrimRight(strings.Join(path, "."), "0123456789."); {
	case strings.HasSuffix(last, "topFeatures"):
		rank = func(e any) float64 { return field(e, "activationValue").(float64) }
		key = func(e any) string { return fmt.Sprint(field(e, "featureIndex")) }
	case strings.HasSuffix(last, "activations") && hasField(want[0], "sumValues"):
		rank = func(e any) float64 {
			if sum := field(e, "sumValues").(float64); sum != 0 {
				return sum
			}
			return field(e, "maxValue").(float64)
		}
		key = func(e any) string { return fmt.Sprint(field(e, "source"), " ", field(e, "index")) }
	default:
		return got
	}
	aligned := slices.Clone(got)
	for i, w := range want {
		at := slices.IndexFunc(got, func(g any) bool { return key(g) == key(w) })
		if at >= 0 && rank(got[i]) != 0 && c.near(rank(w), rank(got[i]), path) && c.near(rank(got[at]), rank(got[i]), path) {
			aligned[i] = got[at]
		}
	}
	return aligned
}

func hasField(entry any, name string) bool {
	object, ok := entry.(map[string]any)
	if !ok {
		return false
	}
	_, ok = object[name]
	return ok
}
