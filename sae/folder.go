package sae

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"npinf/kernels"
	"npinf/weights"
)

// Discover lists the sources in SAELens' own format below a folder: the folder itself when
// it holds a cfg.json, else every folder below it that does, in name order. The ids come
// from the files' neuronpedia_id, else from the folders' names; name stands for the folder
// itself, in ids and in errors. Two sources with one id are an error.
func Discover(folder fs.FS, name string) ([]Row, error) {
	var rows []Row
	seen := map[string]string{}
	err := fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || path.Base(file) != nativeConfig {
			return nil
		}
		row, err := folderRow(folder, name, path.Dir(file))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if other, twice := seen[row.Source]; twice {
			return fmt.Errorf("%s: folders %s and %s both hold a source %s; rename one", name, other, row.Path, row.Source)
		}
		seen[row.Source] = row.Path
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: no %s in this folder or below; want a source as SAELens saves it (%s and %s)", name, nativeConfig, nativeConfig, nativeWeights)
	}
	return rows, nil
}

// folderRow describes the source in one folder.
func folderRow(folder fs.FS, name, at string) (Row, error) {
	data, err := fs.ReadFile(folder, path.Join(at, nativeConfig))
	if err != nil {
		return Row{}, err
	}
	var config struct {
		NeuronpediaID string `json:"neuronpedia_id"`
		Metadata      struct {
			NeuronpediaID string `json:"neuronpedia_id"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return Row{}, fmt.Errorf("file %s: %w", path.Join(at, nativeConfig), err)
	}
	id := config.Metadata.NeuronpediaID
	if id == "" {
		id = config.NeuronpediaID
	}
	row := Row{Release: name, ID: at, Repo: name, Path: at, Dialect: "sae_lens"}
	if slash := strings.LastIndexByte(id, '/'); slash >= 0 {
		row.NeuronpediaModel, row.Source = id[:slash], id[slash+1:]
	}
	if row.Source == "" {
		row.Source = path.Base(at)
		if at == "." {
			row.Source = path.Base(strings.TrimRight(strings.ReplaceAll(name, `\`, "/"), "/"))
		}
	}
	row.Set = SetOf(row.Source)
	return row, nil
}

// LoadFolder reads the source in SAELens' own format that lies at a path of files ("." for
// the top).
func LoadFolder(ctx context.Context, files weights.Files, at string, options LoadOptions) (*Source, error) {
	return load(ctx, files, Row{Repo: "folder", Path: at, Dialect: "sae_lens"}, options)
}

// Neurons makes the MLP neurons of a layer a source: the captured row is the activation.
// width is the model's d_mlp.
func Neurons(device kernels.Device, width, layer int) *Source {
	return &Source{
		Architecture: "neurons", Features: width, Width: width, HookName: fmt.Sprintf("blocks.%d.mlp.hook_post", layer),
		Layer: layer, DType: "float32", device: device, input: inputRule{factor: 1},
		encoder: kernels.Encoder{Kind: kernels.EncodeIdentity, Features: width, Width: width},
	}
}
