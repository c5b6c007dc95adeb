package engine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"npinf/kernels"
	"npinf/weights"

	"gopkg.in/yaml.v3"
)

// persona places conversations on axes such as role-playing against assistant-like.
type persona struct {
	layer       int // whose output is read
	titles      []string
	blankSystem bool // the conversation is read without its system prompt

	scalerMean []float32
	scalerEps  float64 // of a scaler that also brings rows to length 1; 0 for one that only centres
	pcaMean    []float32
	components [][]float32 // one per title
}

// manifest is persona.yaml.
type manifest struct {
	BlankSystemPrompt bool     `yaml:"blank_system_prompt"`
	Titles            []string `yaml:"pc_titles"`
	Contrast          string   `yaml:"contrast_vectors"`
	PCA               []fitted `yaml:"pca"`
}

// fitted is a layer with the file of its principal components.
type fitted struct {
	Layer int    `yaml:"layer"`
	File  string `yaml:"file"`
}

// loadPersona reads the asset of a model, width numbers wide, from a folder. A folder without
// a manifest means that the model has no axis: nil and no error.
func loadPersona(folder string, width, layers int) (*persona, error) {
	content, err := os.ReadFile(filepath.Join(folder, "persona.yaml"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := manifest{Contrast: "contrast_vectors.pt"}
	if err := yaml.Unmarshal(content, &m); err != nil {
		return nil, fmt.Errorf("persona.yaml: %w", err)
	}
	if len(m.PCA) == 0 || len(m.Titles) == 0 {
		return nil, errors.New("persona.yaml names no layers (pca) or no titles (pc_titles)")
	}
	slices.SortFunc(m.PCA, func(a, b fitted) int { return cmp.Compare(a.Layer, b.Layer) })
	first := m.PCA[0]
	p := &persona{layer: first.Layer, titles: m.Titles, blankSystem: m.BlankSystemPrompt}
	if p.layer < 0 || p.layer >= layers {
		return nil, fmt.Errorf("persona.yaml: layer %d is out of the %d layers of this model", p.layer, layers)
	}
	contrast, err := contrastRow(filepath.Join(folder, m.Contrast), p.layer, width)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Contrast, err)
	}
	if err := p.readPCA(filepath.Join(folder, first.File), width); err != nil {
		return nil, fmt.Errorf("%s: %w", first.File, err)
	}
	p.components[0] = contrast
	return p, nil
}

// contrastRow is the first axis: the row of a layer, at length 1 and turned around.
func contrastRow(path string, layer, width int) ([]float32, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	value, err := weights.ParseTorch(data)
	if err != nil {
		return nil, err
	}
	tensor, ok := value.(weights.Tensor)
	if !ok || len(tensor.Shape) != 2 || tensor.Shape[1] != width || layer >= tensor.Shape[0] {
		return nil, fmt.Errorf("want one tensor with a row of %d numbers for layer %d", width, layer)
	}
	all, err := tensor.Floats()
	if err != nil {
		return nil, err
	}
	storage, err := tensor.Storage()
	if err != nil {
		return nil, err
	}
	return turned(all[layer*width:(layer+1)*width], storage == kernels.BF16), nil
}

// turned is -row/‖row‖. With narrow, norm and quotients are rounded to bfloat16, as the
// server npinf replaces computes them.
func turned(row []float32, narrow bool) []float32 {
	round := func(x float64) float64 { return float64(float32(x)) }
	if narrow {
		round = func(x float64) float64 { return float64(toBF16(float32(x))) }
	}
	sum := 0.0
	for _, x := range row {
		sum += float64(x) * float64(x)
	}
	norm := round(math.Sqrt(sum))
	out := make([]float32, len(row))
	for i, x := range row {
		out[i] = -float32(round(float64(x) / norm))
	}
	return out
}

// toBF16 rounds to the nearest number with the eight significant bits of bfloat16, to even
// between two.
func toBF16(x float32) float32 {
	bits := math.Float32bits(x)
	bits += 0x7fff + bits>>16&1
	return math.Float32frombits(bits &^ 0xffff)
}

// personaClasses are the Python classes an asset may hold; they are read, never run.
var personaClasses = []string{
	"sklearn.decomposition._pca.PCA", "__main__.MeanScaler", "__main__.L2MeanScaler",
	"numpy._core.multiarray._reconstruct", "numpy.core.multiarray._reconstruct",
	"numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar", "numpy.ndarray", "numpy.dtype",
}

// readPCA reads the scaler and the principal components.
func (p *persona) readPCA(path string, width int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	value, err := weights.ParseTorch(data, personaClasses...)
	if err != nil {
		return err
	}
	top, _ := value.(*weights.Dict)
	scaler, scalerClass := attributes(top, "scaler")
	pca, _ := attributes(top, "pca")
	if scaler == nil || pca == nil {
		return errors.New("want a dictionary of the objects pca and scaler")
	}
	if p.scalerMean, err = vector(scaler, "mean", width); err != nil {
		return err
	}
	if scalerClass == "__main__.L2MeanScaler" {
		p.scalerEps = 1e-12
		if eps, ok := scaler.Get("eps"); ok {
			p.scalerEps, _ = eps.(float64)
		}
	}
	if p.pcaMean, err = vector(pca, "mean_", width); err != nil {
		return err
	}
	flat, err := vector(pca, "components_", 0)
	if err != nil {
		return err
	}
	if len(flat) < len(p.titles)*width || len(flat)%width != 0 {
		return fmt.Errorf("it has %d numbers in its components, too few for %d titles of %d", len(flat), len(p.titles), width)
	}
	for i := range p.titles {
		p.components = append(p.components, flat[i*width:(i+1)*width])
	}
	return nil
}

// attributes are the attributes of an object in a dictionary, with its class.
func attributes(d *weights.Dict, key string) (*weights.Dict, string) {
	if d == nil {
		return nil, ""
	}
	value, _ := d.Get(key)
	object, ok := value.(*weights.Object)
	if !ok {
		return nil, ""
	}
	state, _ := object.State.(*weights.Dict)
	return state, object.Class
}

// vector reads a numpy array of width numbers, or of any number with width 0.
func vector(d *weights.Dict, key string, width int) ([]float32, error) {
	value, _ := d.Get(key)
	numbers, err := numpyArray(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if width > 0 && len(numbers) != width {
		return nil, fmt.Errorf("%s has %d numbers, but the model is %d wide", key, len(numbers), width)
	}
	if !finite(numbers) {
		return nil, fmt.Errorf("%s holds NaN or infinity", key)
	}
	return numbers, nil
}

// numpyArray reads what numpy pickles: (version, shape, dtype, fortran order, bytes). The
// numbers come out row after row.
func numpyArray(value any) ([]float32, error) {
	object, ok := value.(*weights.Object)
	if !ok {
		return nil, errors.New("it is no numpy array")
	}
	state, _ := object.State.([]any)
	if len(state) != 5 {
		return nil, errors.New("it is no numpy array")
	}
	kind, _ := state[2].(*weights.Object)
	data, isBytes := state[4].([]byte)
	if kind == nil || len(kind.Args) == 0 || !isBytes {
		return nil, errors.New("it is no numpy array")
	}
	if order, _ := kind.State.([]any); len(order) > 1 && order[1] == any(">") {
		return nil, errors.New("its bytes are in the wrong order")
	}
	numbers, err := numpyNumbers(kind.Args[0], data)
	if err != nil {
		return nil, err
	}
	shape, _ := state[1].([]any)
	if fortran, _ := state[3].(bool); !fortran || len(shape) < 2 {
		return numbers, nil
	}
	rows, _ := shape[0].(int64)
	if len(shape) > 2 || rows <= 0 || int64(len(numbers))%rows != 0 {
		return nil, errors.New("its shape is not understood")
	}
	return byRows(numbers, int(rows)), nil
}

func numpyNumbers(kind any, data []byte) ([]float32, error) {
	switch kind {
	case any("f4"):
		out := make([]float32, len(data)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		return out, nil
	case any("f8"):
		out := make([]float32, len(data)/8)
		for i := range out {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
		return out, nil
	}
	return nil, fmt.Errorf("numbers of type %v are not supported", kind)
}

// byRows brings a matrix stored column after column into rows.
func byRows(columns []float32, rows int) []float32 {
	width := len(columns) / rows
	out := make([]float32, len(columns))
	for r := range rows {
		for c := range width {
			out[r*width+c] = columns[c*rows+r]
		}
	}
	return out
}
