package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"npinf/kernels"
	"npinf/weights"
)

// config reads config.json key by key. What is wrong with it is collected, so that a
// family file can be read as a list of facts and one error names every bad key.
type config struct {
	name     string // "config.json" or "config.json text_config"
	keys     map[string]json.RawMessage
	problems *[]string
}

func parseConfig(name string, data []byte) (*config, error) {
	c := &config{name: name, problems: new([]string)}
	if err := json.Unmarshal(data, &c.keys); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// readConfig reads config.json of a repository.
func readConfig(ctx context.Context, files weights.Files) (*config, error) {
	const name = "config.json"
	if !files.Has(name) {
		return nil, fmt.Errorf("the repository has no %s; check the model id and revision, or the folder", name)
	}
	data, release, err := files.Read(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	defer release()
	return parseConfig(name, data)
}

// fail records a problem.
func (c *config) fail(format string, arguments ...any) {
	*c.problems = append(*c.problems, c.name+": "+fmt.Sprintf(format, arguments...))
}

// err returns all problems as one error, or nil.
func (c *config) err() error {
	if len(*c.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(*c.problems, "; "))
}

func (c *config) has(key string) bool {
	_, ok := c.keys[key]
	return ok
}

func (c *config) isNull(key string) bool {
	raw, ok := c.keys[key]
	return ok && string(raw) == "null"
}

// decode fills target from key; false when the key is absent or null. A value of another
// type is a problem.
func (c *config) decode(key string, target any, want string) bool {
	raw, ok := c.keys[key]
	if !ok || string(raw) == "null" {
		return false
	}
	if err := json.Unmarshal(raw, target); err != nil {
		c.fail("%s is %s, want %s", key, clip(raw), want)
		return false
	}
	return true
}

func clip(raw []byte) string {
	if len(raw) > 60 {
		return string(raw[:60]) + "…"
	}
	return string(raw)
}

// number returns a number; absent is the value of a key that is absent or null.
func (c *config) number(key string, absent float64) float64 {
	value := absent
	if c.decode(key, &value, "a number") && math.IsInf(float64(float32(value)), 0) {
		c.fail("%s is %g, which float32 cannot hold", key, value)
	}
	return value
}

// positive returns a number that must be above zero.
func (c *config) positive(key string, absent float64) float64 {
	value := c.number(key, absent)
	if !(value > 0) {
		c.fail("%s is %g, want a positive number", key, value)
		return absent
	}
	return value
}

// largestCount bounds every count of config.json, so that a damaged file cannot ask for
// more memory than any machine has.
const largestCount = 1 << 24

// count returns a positive integer; absent is the value of a key that is absent or null,
// and 0 makes the key compulsory.
func (c *config) count(key string, absent int) int { return c.countUpTo(key, absent, largestCount) }

// layerCount is count for the number of layers.
func (c *config) layerCount(key string, absent int) int { return c.countUpTo(key, absent, 512) }

// mostExperts bounds the experts of all layers together; the largest models have a third
// of it. Without the bound a file of a hundred bytes could describe half a million.
const mostExperts = 1 << 16

// expertCount is count for the number of experts in a layer.
func (c *config) expertCount(key string, absent int) int {
	layers := 1
	if raw, ok := c.keys["num_hidden_layers"]; ok && json.Unmarshal(raw, &layers) != nil || layers < 1 {
		layers = 1 // readShape says what is wrong with it
	}
	return c.countUpTo(key, absent, max(1, min(1024, mostExperts/layers)))
}

func (c *config) countUpTo(key string, absent, limit int) int {
	value := c.number(key, float64(absent))
	switch {
	case absent == 0 && (!c.has(key) || c.isNull(key)):
		c.fail("%s is missing", key)
	case value != math.Trunc(value) || !(value >= 1 && value <= float64(limit)):
		c.fail("%s is %g, want an integer from 1 to %d", key, value, limit)
	default:
		return int(value)
	}
	return 1
}

// optionalCount is count for keys that null switches off: 0.
func (c *config) optionalCount(key string, absent int) int {
	if c.isNull(key) || !c.has(key) && absent == 0 {
		return 0
	}
	return c.count(key, absent)
}

// optionalNumber is number for keys that null switches off: 0.
func (c *config) optionalNumber(key string, absent float64) float32 {
	if c.isNull(key) {
		return 0
	}
	return float32(c.number(key, absent))
}

func (c *config) flag(key string, absent bool) bool {
	c.decode(key, &absent, "true or false")
	return absent
}

func (c *config) text(key string, absent string) string {
	c.decode(key, &absent, "a string")
	return absent
}

// strings returns a list of strings, nil when the key is absent or null.
func (c *config) strings(key string) []string {
	var values []string
	c.decode(key, &values, "a list of strings")
	return values
}

// numbers returns a list of numbers, nil when the key is absent or null.
func (c *config) numbers(key string) []float64 {
	var values []float64
	c.decode(key, &values, "a list of numbers")
	return values
}

// object returns the object under key, or nil when it is absent, null or empty.
func (c *config) object(key string) *config {
	inner := &config{name: c.name + " " + key, problems: c.problems}
	if !c.decode(key, &inner.keys, "an object") || len(inner.keys) == 0 {
		return nil
	}
	return inner
}

// requireFalse records a problem for each key that is true: settings that change the
// computation in a way that is not implemented.
func (c *config) requireFalse(keys ...string) {
	for _, key := range keys {
		if c.flag(key, false) {
			c.fail("%s = true is not supported", key)
		}
	}
}

// activations is the table of config.json's activation names.
var activations = map[string]kernels.Activation{
	"silu": kernels.SiLU, "swish": kernels.SiLU,
	"gelu":     kernels.GELU,
	"gelu_new": kernels.GELUTanh, "gelu_pytorch_tanh": kernels.GELUTanh, "gelu_fast": kernels.GELUTanh,
	"relu": kernels.ReLU, "quick_gelu": kernels.QuickGELU,
}

// activation reads the name of an activation function.
func (c *config) activation(key, absent string) kernels.Activation {
	name := c.text(key, absent)
	function, ok := activations[name]
	if !ok {
		c.fail("%s = %q is not supported; supported: %s", key, name, joinKeys(activations))
	}
	return function
}

// tokenIDs reads an id or a list of ids.
func (c *config) tokenIDs(key string) []int {
	var one int
	if raw, ok := c.keys[key]; ok && json.Unmarshal(raw, &one) == nil && !c.isNull(key) {
		return []int{one}
	}
	var many []int
	c.decode(key, &many, "a token id or a list of them")
	return many
}

func joinKeys[V any](table map[string]V) string {
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// stopIDs returns the ids that end a generation: generation_config.json's, then
// config.json's (the text part's and the outer one's), each once.
func stopIDs(ctx context.Context, files weights.Files, configs ...*config) ([]int, error) {
	const name = "generation_config.json"
	if files.Has(name) {
		data, release, err := files.Read(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		defer release()
		generation, err := parseConfig(name, data)
		if err != nil {
			return nil, err
		}
		configs = append([]*config{generation}, configs...)
	}
	var ids []int
	for _, c := range configs {
		for _, id := range c.tokenIDs("eos_token_id") {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if err := c.err(); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
