package weights

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Names of the files of a model repository.
const (
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// ModelFiles tells which safetensors files hold a model's weights, and from its index which
// tensor each shard must hold (nil without an index). Only the index is read. A repository
// without safetensors is an error that says what it has instead.
func ModelFiles(ctx context.Context, files Files) (names []string, index map[string]string, err error) {
	if files.Has(singleFile) {
		return []string{singleFile}, nil, nil
	}
	if files.Has(indexFile) {
		return readIndex(ctx, files)
	}
	for _, other := range []string{"pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"} {
		if files.Has(other) {
			return nil, nil, fmt.Errorf("the repository holds its weights as %s, which is not supported; convert it to model.safetensors (save_pretrained of transformers does it) or use a revision that has one", other)
		}
	}
	return nil, nil, fmt.Errorf("the repository has neither %s nor %s; check the model id and revision, or the folder", singleFile, indexFile)
}

func readIndex(ctx context.Context, files Files) ([]string, map[string]string, error) {
	data, release, err := files.Read(ctx, indexFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", indexFile, err)
	}
	defer release()
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	if len(index.WeightMap) == 0 {
		return nil, nil, fmt.Errorf("%s: weight_map names no tensor", indexFile)
	}
	var names []string
	for tensor, name := range index.WeightMap {
		if name == "" || path.IsAbs(name) || strings.Contains(name, `\`) || slices.Contains(strings.Split(name, "/"), "..") {
			return nil, nil, fmt.Errorf("%s: tensor %s is in %q, which is not a file of the repository", indexFile, tensor, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), index.WeightMap, nil
}

// Store holds the tensors of a model's files, all shards together. The data stays in the
// files; Close gives them back, after which no Tensor's Data may be read.
type Store struct {
	files    Files
	tensors  map[string]Tensor
	releases []func()
}

// OpenStore reads the headers of a model's safetensors files and checks them against the
// shard index.
func OpenStore(ctx context.Context, files Files) (*Store, error) {
	names, index, err := ModelFiles(ctx, files)
	if err != nil {
		return nil, err
	}
	store := &Store{files: files, tensors: map[string]Tensor{}}
	fileOf := map[string]string{}
	for _, name := range names {
		if err := store.add(ctx, files, name, fileOf); err != nil {
			store.Close()
			return nil, err
		}
	}
	var misplaced []string
	for tensor, name := range index {
		if fileOf[tensor] != name {
			misplaced = append(misplaced, tensor+" ("+name+")")
		}
	}
	if len(misplaced) > 0 {
		store.Close()
		slices.Sort(misplaced)
		return nil, fmt.Errorf("%s names tensors that their shards do not hold: %s", indexFile, shorten(misplaced))
	}
	return store, nil
}

// add reads one file into the store.
func (s *Store) add(ctx context.Context, files Files, name string, fileOf map[string]string) error {
	data, release, err := files.Read(ctx, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	s.releases = append(s.releases, release)
	parsed, err := ParseSafetensors(data)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, tensor := range parsed.Tensors {
		if other, ok := fileOf[tensor.Name]; ok {
			return fmt.Errorf("tensor %s is in both %s and %s", tensor.Name, other, name)
		}
		s.tensors[tensor.Name], fileOf[tensor.Name] = tensor, name
	}
	return nil
}

// Has reports whether the store holds a tensor of that name.
func (s *Store) Has(name string) bool {
	_, ok := s.tensors[name]
	return ok
}

// Close gives the files back. It may be called more than once.
func (s *Store) Close() {
	for _, release := range s.releases {
		release()
	}
	s.releases = nil
}

// Mapped reports whether every tensor lies in a mapped file.
func (s *Store) Mapped() bool {
	dropper, ok := s.files.(Dropper)
	for _, tensor := range s.tensors {
		ok = ok && (len(tensor.Data) == 0 || dropper.Mapped(tensor.Data))
	}
	return ok
}

// Drop says that a tensor was copied and will hardly be read again.
func (s *Store) Drop(t Tensor) {
	if dropper, ok := s.files.(Dropper); ok {
		dropper.Drop(t.Data)
	}
}
