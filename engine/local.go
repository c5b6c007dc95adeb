package engine

import (
	"os"
	"path/filepath"

	"npinf/hub"
	"npinf/sae"
)

// openSourceFolders opens the sources in a folder and below it. Each is served under the id
// its configuration has, or under its folder's name.
func openSourceFolders(folder string) ([]LocalSource, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	files, err := hub.OpenFolder(absolute)
	if err != nil {
		return nil, err
	}
	rows, err := sae.Discover(os.DirFS(absolute), filepath.ToSlash(absolute))
	if err != nil {
		return nil, err
	}
	locals := make([]LocalSource, len(rows))
	for i, row := range rows {
		locals[i] = LocalSource{Files: files, Row: row}
	}
	return locals, nil
}
