// Package lens reads tokens out of the middle of a model: the logit lens decodes a residual
// as if it were the last one, the Jacobian lens first carries it there with a fitted matrix.
// It also writes: tokens become directions that steer, ablate or swap.
package lens

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"npinf/kernels"
	"npinf/model"
	"npinf/weights"
)

// Jacobian is a fitted Jacobian lens. It is immutable and may be used by many goroutines.
type Jacobian struct {
	// Point is where the residuals it was fitted on stand; resid_post but for rare files.
	Point model.Point
	// Reduction says how the file joins several residual streams, "none" for one stream.
	Reduction string
	// Prompts is how many prompts the lens was fitted on, 0 where the file does not tell.
	Prompts int

	device  kernels.Device
	width   int
	fitted  map[int]*kernels.Weight // J, [d_model, d_model]
	release func()
}

// capturePoints are the names under which lens files declare where they read.
var capturePoints = map[string]model.Point{
	"block_output": model.ResidPost, "attn_out": model.AttnOut, "mlp_out": model.MLPOut,
	"attn_in": model.ResidPre, "mlp_in": model.ResidMid,
}

// reductions are the ways to join several residual streams to one.
var reductions = []string{"none", "mean", "sum", "select"}

// LoadJacobian reads a lens that torch.save wrote: a dictionary with "J", the matrix of each
// fitted layer, and "d_model". It has to fit a model of the given width and number of layers.
// The matrices keep the type they are stored in.
func LoadJacobian(ctx context.Context, device kernels.Device, files weights.Files, path string, width, layers int) (*Jacobian, error) {
	data, release, err := files.Read(ctx, path)
	if err != nil {
		return nil, err
	}
	j := &Jacobian{device: device, width: width, fitted: map[int]*kernels.Weight{}, release: release}
	if err := j.read(data, layers); err != nil {
		j.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

func (j *Jacobian) read(data []byte, layers int) error {
	value, err := weights.ParseTorch(data)
	if err != nil {
		return err
	}
	file, ok := value.(*weights.Dict)
	if !ok {
		return errors.New("not a Jacobian lens file: it holds no dictionary")
	}
	held, _ := file.Get("J")
	matrices, ok := held.(*weights.Dict)
	if !ok {
		return fmt.Errorf("not a Jacobian lens file (keys: %v)", file.Keys)
	}
	if width, ok := whole(file, "d_model"); !ok || width != j.width {
		return fmt.Errorf("the lens is for a model of width %d, this one has %d: it belongs to another model", width, j.width)
	}
	j.Prompts, _ = whole(file, "n_prompts")
	if err := j.declare(file); err != nil {
		return err
	}
	for i, key := range matrices.Keys {
		if err := j.place(key, matrices.Values[i], layers); err != nil {
			return err
		}
	}
	return nil
}

// whole is an integer of a dictionary.
func whole(d *weights.Dict, key string) (int, bool) {
	value, _ := d.Get(key)
	number, ok := value.(int64)
	return int(number), ok
}

// declare reads what the file says of the residuals it was fitted on. Most say nothing.
func (j *Jacobian) declare(file *weights.Dict) error {
	j.Point, j.Reduction = model.ResidPost, "none"
	value, _ := file.Get("provenance")
	provenance, ok := value.(*weights.Dict)
	if !ok {
		return nil
	}
	if value, _ := provenance.Get("capture_point"); value != nil {
		name, _ := value.(string)
		if j.Point, ok = capturePoints[name]; !ok {
			return fmt.Errorf("unknown lens capture point %v; known are %v", value, slices.Sorted(maps.Keys(capturePoints)))
		}
	}
	if value, _ := provenance.Get("stream_reduce"); value != nil {
		name, _ := value.(string)
		if !slices.Contains(reductions, name) {
			return fmt.Errorf("unknown lens stream reduction %v; known are %v", value, reductions)
		}
		j.Reduction = name
	}
	index, _ := provenance.Get("stream_index")
	if (j.Reduction == "select") != (index != nil) {
		return fmt.Errorf("stream_reduce=%s and stream_index=%v disagree: an index belongs to select and to nothing else", j.Reduction, index)
	}
	return nil
}

// place puts the matrix of one layer on the device.
func (j *Jacobian) place(key, value any, layers int) error {
	layer, ok := key.(int64)
	tensor, isTensor := value.(weights.Tensor)
	if !ok || !isTensor {
		return fmt.Errorf("J holds %v, which is no tensor of a layer", key)
	}
	if layer < 0 || layer >= int64(layers) {
		return fmt.Errorf("layer %d of the lens is out of the %d layers of this model: it belongs to another model", layer, layers)
	}
	tensor.Name = fmt.Sprintf("J[%d]", layer)
	if !slices.Equal(tensor.Shape, []int{j.width, j.width}) {
		return fmt.Errorf("%s has shape %v, want [%d %d]", tensor.Name, tensor.Shape, j.width, j.width)
	}
	matrix, err := tensor.Matrix(false, true)
	if err != nil {
		return err
	}
	weight, err := j.device.LoadWeight(matrix)
	if err != nil {
		return fmt.Errorf("%s: %w", tensor.Name, err)
	}
	j.fitted[int(layer)] = weight
	return nil
}

// Layers lists the fitted layers, ascending. A lens of nil has none.
func (j *Jacobian) Layers() []int {
	if j == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(j.fitted))
}

// Fits reports whether a layer is fitted. The last layer usually is not: nothing is left to
// be carried over.
func (j *Jacobian) Fits(layer int) bool { return j != nil && j.fitted[layer] != nil }

// Bytes is the memory of the matrices.
func (j *Jacobian) Bytes() int64 {
	total := int64(0)
	for _, w := range j.fitted {
		total += w.Bytes()
	}
	return total
}

// carry computes dst = rows·Jᵀ: what residuals of a fitted layer become at the last one.
func (j *Jacobian) carry(dst, rows kernels.Buffer, layer int) {
	j.device.Linear(dst, rows, j.fitted[layer], kernels.Buffer{}, false)
}

// pullRows is how many rows of a matrix are widened at a time.
const pullRows = 256

// pull returns Jᵀ·direction: the direction of a fitted layer that becomes most of the given
// one at the last layer.
func (j *Jacobian) pull(direction []float32, layer int) []float32 {
	sums := make([]float64, j.width)
	values := make([]float32, pullRows*j.width)
	for first := 0; first < j.width; first += pullRows {
		rows := make([]int, min(pullRows, j.width-first))
		for i := range rows {
			rows[i] = first + i
		}
		part := j.device.NewBuffer(len(rows), j.width)
		j.device.WeightRows(part, j.fitted[layer], rows)
		j.device.Download(values[:len(rows)*j.width], part)
		j.device.Release(part)
		for i, row := range rows {
			factor := float64(direction[row])
			for column, v := range values[i*j.width:][:j.width] {
				sums[column] += factor * float64(v)
			}
		}
	}
	pulled := make([]float32, j.width)
	for i, sum := range sums {
		pulled[i] = float32(sum)
	}
	return pulled
}

// Close gives back memory and file. No reading may be under way.
func (j *Jacobian) Close() {
	if j == nil {
		return
	}
	for _, weight := range j.fitted {
		j.device.Unload(weight)
	}
	j.release()
}
