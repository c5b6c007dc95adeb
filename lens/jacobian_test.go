package lens

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"npinf/model"
)

// pickle writes the few values of a lens file as torch.save does, in the text-like protocol
// 2 without memo.
type pickle struct{ bytes.Buffer }

func (p *pickle) text(s string) {
	p.WriteByte('X')
	binary.Write(p, binary.LittleEndian, uint32(len(s)))
	p.WriteString(s)
}

func (p *pickle) integer(n int) {
	p.WriteByte('J')
	binary.Write(p, binary.LittleEndian, int32(n))
}

func (p *pickle) dict(write func()) {
	p.WriteString("}(")
	write()
	p.WriteByte('u')
}

// matrix refers to a square float32 storage.
func (p *pickle) matrix(key string, width int) {
	p.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((")
	p.text("storage")
	p.WriteString("ctorch\nFloatStorage\n")
	p.text(key)
	p.text("cpu")
	p.integer(width * width)
	p.WriteString("tQ")
	p.integer(0)
	p.WriteByte('(')
	p.integer(width)
	p.integer(width)
	p.WriteString("t(")
	p.integer(width)
	p.integer(1)
	p.WriteString("t\x89ccollections\nOrderedDict\n)RtR")
}

// lensFile is a file of float32 matrices by layer.
func lensFile(t *testing.T, width int, layers map[int][]float32, provenance map[string]any) []byte {
	var p pickle
	p.WriteString("\x80\x02")
	p.dict(func() {
		p.text("J")
		p.dict(func() {
			for layer := range layers {
				p.integer(layer)
				p.matrix(fmt.Sprint(layer), width)
			}
		})
		p.text("d_model")
		p.integer(width)
		p.text("n_prompts")
		p.integer(5)
		p.text("provenance")
		p.dict(func() {
			for key, value := range provenance {
				p.text(key)
				switch value := value.(type) {
				case string:
					p.text(value)
				case int:
					p.integer(value)
				}
			}
		})
	})
	return packed(t, &p, layers)
}

// packed is the archive of a pickle and its storages.
func packed(t *testing.T, p *pickle, layers map[int][]float32) []byte {
	p.WriteByte('.')
	var file bytes.Buffer
	archive := zip.NewWriter(&file)
	store := func(name string, data []byte) {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: "lens/" + name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	store("data.pkl", p.Bytes())
	for layer, values := range layers {
		var data []byte
		for _, v := range values {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		store(fmt.Sprintf("data/%d", layer), data)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// oneFile is a repository of one file.
type oneFile []byte

func (f oneFile) Has(path string) bool { return path == "lens.pt" }

func (f oneFile) Read(context.Context, string) ([]byte, func(), error) {
	if f == nil {
		return nil, nil, errors.New("no such file")
	}
	return f, func() {}, nil
}

// TestJacobian carries rows by J and pulls directions by its transpose.
func TestJacobian(t *testing.T) {
	d := device(t)
	j, err := LoadJacobian(t.Context(), d, oneFile(lensFile(t, 2, map[int][]float32{1: {1, 2, 3, 4}, 0: {1, 0, 0, 1}}, nil)), "lens.pt", 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if layers := j.Layers(); len(layers) != 2 || layers[0] != 0 || layers[1] != 1 || !j.Fits(1) || j.Fits(2) || j.Prompts != 5 || j.Point != model.ResidPost {
		t.Errorf("%+v", j)
	}
	if j.Bytes() != 32 {
		t.Errorf("%d bytes", j.Bytes())
	}
	carried, row := d.NewBuffer(1, 2), make([]float32, 2)
	j.carry(carried, d.Upload(1, 2, []float32{10, 1}), 1)
	d.Download(row, carried)
	if row[0] != 12 || row[1] != 34 {
		t.Errorf("carried %v", row)
	}
	if pulled := j.pull([]float32{10, 1}, 1); pulled[0] != 13 || pulled[1] != 24 {
		t.Errorf("pulled %v", pulled)
	}
	var none *Jacobian
	if none.Layers() != nil || none.Fits(0) {
		t.Error("no lens fits something")
	}
	none.Close()
}

func TestDeclaredPoint(t *testing.T) {
	d := device(t)
	matrices := map[int][]float32{0: {1, 0, 0, 1}}
	j, err := LoadJacobian(t.Context(), d, oneFile(lensFile(t, 2, matrices, map[string]any{"capture_point": "mlp_in", "stream_reduce": "mean"})), "lens.pt", 2, 3)
	if err != nil || j.Point != model.ResidMid || j.Reduction != "mean" {
		t.Errorf("%+v, %v", j, err)
	}
}

// TestLensMistakes names what is wrong with a file.
func TestLensMistakes(t *testing.T) {
	d := device(t)
	matrices := map[int][]float32{0: {1, 0, 0, 1}}
	declared := func(provenance map[string]any) oneFile { return lensFile(t, 2, matrices, provenance) }
	var other pickle
	other.WriteString("\x80\x02")
	other.dict(func() {
		other.text("weights")
		other.integer(1)
	})
	for want, c := range map[string]struct {
		file          oneFile
		width, layers int
	}{
		"no such file":                               {nil, 2, 3},
		"width 2, this one has 3":                    {declared(nil), 3, 3},
		"out of the 0 layers":                        {declared(nil), 2, 0},
		"unknown lens capture point sky":             {declared(map[string]any{"capture_point": "sky"}), 2, 3},
		"unknown lens stream reduction":              {declared(map[string]any{"stream_reduce": "max"}), 2, 3},
		"disagree":                                   {declared(map[string]any{"stream_reduce": "select"}), 2, 3},
		"stream_index=1 disagree":                    {declared(map[string]any{"stream_index": 1}), 2, 3},
		"not a Jacobian lens file (keys: [weights])": {packed(t, &other, nil), 2, 3},
		"torch file":                                 {oneFile("nothing of the kind"), 2, 3},
	} {
		if _, err := LoadJacobian(t.Context(), d, c.file, "lens.pt", c.width, c.layers); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want …%s…, got %v", want, err)
		}
	}
}
