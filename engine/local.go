package engine

import (
	"fmt"
	"path/filepath"

	"npinf/hub"
	"npinf/sae"
)

// folderDialects tells the file dialect of a source folder by the file it must hold, in the
// order in which they are looked for.
var folderDialects = []struct{ file, dialect string }{
	{"cfg.json", "sae_lens"},
	{"params.npz", "gemma_2"},
	{"params.safetensors", "gemma_3"},
	{"ae.pt", "dictionary_learning_1"},
}

// openSourceFolder opens a folder with one source. Its id is the folder's name, so that a
// folder called 7-mine is source 7-mine of set mine.
func openSourceFolder(folder string) (LocalSource, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return LocalSource{}, err
	}
	files, err := hub.OpenFolder(absolute)
	if err != nil {
		return LocalSource{}, err
	}
	id := filepath.Base(absolute)
	for _, known := range folderDialects {
		if files.Has(known.file) {
			return LocalSource{Files: files, Row: sae.Row{Source: id, Set: sae.SetOf(id), ID: id, Repo: folder, Dialect: known.dialect}}, nil
		}
	}
	_ = files.Close()
	return LocalSource{}, fmt.Errorf("%s holds no source: it needs a cfg.json with sae_weights.safetensors, or one of params.npz, "+
		"params.safetensors and ae.pt", folder)
}
