package sae

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"

	"npinf/weights"
)

// repository reads the files of one source and keeps them until it is released.
type repository struct {
	ctx      context.Context
	files    weights.Files
	contents [][]byte
	releases []func()
}

// drop says that what was read will hardly be read again.
func (r *repository) drop() {
	if dropper, ok := r.files.(weights.Dropper); ok {
		for _, data := range r.contents {
			dropper.Drop(data)
		}
	}
}

func (r *repository) release() {
	for _, release := range r.releases {
		release()
	}
	r.releases = nil
}

func (r *repository) read(path string) ([]byte, error) {
	if !r.files.Has(path) {
		return nil, fmt.Errorf("file %s is not in the repository", path)
	}
	data, release, err := r.files.Read(r.ctx, path)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	r.contents = append(r.contents, data)
	if release != nil {
		r.releases = append(r.releases, release)
	}
	return data, nil
}

// json reads a configuration file.
func (r *repository) json(path string) (*options, error) { return r.decode(path, json.Unmarshal) }

func (r *repository) yaml(path string) (*options, error) { return r.decode(path, yaml.Unmarshal) }

func (r *repository) decode(path string, unmarshal func([]byte, any) error) (*options, error) {
	data, err := r.read(path)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := unmarshal(data, &values); err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	return &options{values: values, where: "file " + path}, nil
}

// tensors are the arrays of one file by name.
type tensors struct {
	file   string
	byName map[string]weights.Tensor
}

func (r *repository) safetensors(path string) (*tensors, error) {
	return r.parse(path, func(data []byte) (map[string]weights.Tensor, error) {
		file, err := weights.ParseSafetensors(data)
		if err != nil {
			return nil, err
		}
		return byName(file.Tensors), nil
	})
}

func (r *repository) npz(path string) (*tensors, error) {
	return r.parse(path, func(data []byte) (map[string]weights.Tensor, error) {
		list, err := weights.ParseNPZ(data)
		return byName(list), err
	})
}

func (r *repository) torch(path string) (*tensors, error) {
	return r.parse(path, func(data []byte) (map[string]weights.Tensor, error) {
		value, err := weights.ParseTorch(data)
		if err != nil {
			return nil, err
		}
		return weights.TensorsOf(value)
	})
}

func byName(list []weights.Tensor) map[string]weights.Tensor {
	named := make(map[string]weights.Tensor, len(list))
	for _, t := range list {
		named[t.Name] = t
	}
	return named
}

func (r *repository) parse(path string, parse func([]byte) (map[string]weights.Tensor, error)) (*tensors, error) {
	data, err := r.read(path)
	if err != nil {
		return nil, err
	}
	named, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	for name, t := range named {
		if named[name], err = asFloats(t); err != nil {
			return nil, fmt.Errorf("file %s: %w", path, err)
		}
	}
	return &tensors{path, named}, nil
}

// draft is a source as its dialect understands it: a configuration in SAELens' words, of an
// old version unless it says otherwise, and arrays in SAELens' names.
type draft struct {
	config     map[string]any
	configName string // where the configuration comes from, for errors
	weightName string
	parameters map[string]parameter
	// factor brings inputs to the length the source was trained on, where the files tell it;
	// the registry's is better. 0 means that they do not.
	factor float64
}

// newDraft starts a draft whose arrays come from t and whose configuration comes from where.
func newDraft(t *tensors, where string, config map[string]any) *draft {
	return &draft{config: config, configName: where, weightName: "file " + t.file, parameters: map[string]parameter{}}
}

// take adopts the first of the named arrays that the file has under a SAELens name. A name
// beginning with "^" means that the file holds the transpose. It reports whether one is there.
func (d *draft) take(t *tensors, as string, names ...string) bool {
	for _, name := range names {
		transposed := name[0] == '^'
		if transposed {
			name = name[1:]
		}
		if tensor, found := t.byName[name]; found {
			d.parameters[as] = parameter{Tensor: tensor, transposed: transposed}
			return true
		}
	}
	return false
}

// takeAll adopts every array under its own name.
func (d *draft) takeAll(t *tensors) {
	for name, tensor := range t.byName {
		d.parameters[name] = parameter{Tensor: tensor}
	}
}

// dropScalingFactor removes the relic scaling_factor, which may only hold ones.
func (d *draft) dropScalingFactor() error {
	factor, found := d.parameters["scaling_factor"]
	if !found {
		return nil
	}
	delete(d.parameters, "scaling_factor")
	for _, v := range factor.floats() {
		if !(v-1 <= 1e-5+1e-8 && 1-v <= 1e-5+1e-8) {
			return fmt.Errorf("%s: tensor scaling_factor holds %v, and only factors of 1 are supported", d.weightName, v)
		}
	}
	return nil
}

// measure takes the sizes that a dialect's files do not tell from W_enc and W_dec.
func (d *draft) measure() {
	if width, features := d.encoderShape(); width > 0 {
		d.config["d_in"], d.config["d_sae"] = float64(width), float64(features)
	}
	if shape := d.parameters["W_dec"].shape(); len(shape) == 2 {
		d.config["d_out"] = float64(shape[1])
	}
}

// encoderShape is d_in and d_sae as W_enc has them; zeros without one. Arrays that a file
// implies are made to this measure, never to a number of its configuration, which could be
// anything.
func (d *draft) encoderShape() (width, features int) {
	if shape := d.parameters["W_enc"].shape(); len(shape) == 2 {
		return shape[0], shape[1]
	}
	return 0, 0
}

// fill gives every feature the same value of a parameter.
func (d *draft) fill(name string, value float32) {
	_, features := d.encoderShape()
	d.parameters[name] = constant(name, value, features)
}

func constant(name string, value float32, count int) parameter {
	values := make([]float32, count)
	for i := range values {
		values[i] = value
	}
	return computed(name, values, count)
}

// summed adds up the middle axis of a [a, b, c] array: the decoders of a cross-layer
// transcoder, one for each later layer.
func summed(t weights.Tensor) parameter {
	p := parameter{Tensor: t}
	outer, middle, inner := t.Shape[0], t.Shape[1], t.Shape[2]
	total := make([]float32, outer*inner)
	inParallel(outer, func(low, high int) {
		part := make([]float32, inner)
		for i := low; i < high; i++ {
			sum := total[i*inner : (i+1)*inner]
			for j := range middle {
				p.read(part, (i*middle+j)*inner)
				for k, v := range part {
					sum[k] += v
				}
			}
		}
	})
	return computed(t.Name, total, outer, inner)
}

// scaled multiplies every value by a factor.
func (p parameter) scaled(factor float32) parameter {
	values := p.floats()
	for i := range values {
		values[i] *= factor
	}
	result := computed(p.Name, values, p.Shape...)
	result.transposed = p.transposed
	return result
}

// numberIn finds the number that a pattern's first group captures in text; what names it in
// the error.
func numberIn(text string, pattern *regexp.Regexp, what string) (int, error) {
	match := pattern.FindStringSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("%q does not tell the %s (want %s)", text, what, pattern)
	}
	number, err := strconv.Atoi(match[1])
	if err != nil {
		return 0, fmt.Errorf("%q: %s: %w", text, what, err)
	}
	return number, nil
}
