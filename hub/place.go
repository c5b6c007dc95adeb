package hub

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// place makes the snapshot's path lead to the blob, by a relative link as Python does. Where links are unwanted or do
// not exist the content itself lies there: moved if the blob is fresh, copied if other commits may link to it.
func (c cache) place(repo, commit string, file entry, fresh bool) error {
	pointer, blob := c.pointer(repo, commit, file.path), c.blob(repo, file.etag())
	if hasSize(pointer, file.size) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(pointer), 0o777); err != nil {
		return err
	}
	temporary := pointer + "." + randomHex() + ".tmp"
	if !c.noSymlinks {
		relative, err := filepath.Rel(filepath.Dir(pointer), blob)
		if err != nil {
			return err
		}
		if err = os.Symlink(relative, temporary); err == nil {
			return os.Rename(temporary, pointer)
		}
		if runtime.GOOS != "windows" && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrPermission) {
			return err
		}
	}
	if fresh {
		return os.Rename(blob, pointer)
	}
	err := copyFile(blob, temporary)
	if err == nil {
		err = os.Rename(temporary, pointer)
	}
	return errors.Join(err, ignoreAbsent(os.Remove(temporary)))
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, source)
	return errors.Join(err, copied.Close())
}
