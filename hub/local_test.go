package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"unsafe"
)

func TestOpenFolder(t *testing.T) {
	dir := t.TempDir()
	files := map[string][]byte{"config.json": []byte("{}"), "sub/x.bin": content(5000), "empty": {}}
	for path, data := range files {
		if err := writeAtomic(filepath.Join(dir, path), data); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeAtomic(filepath.Join(dir, ".git", "HEAD"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "blob")
	files["linked"] = []byte("as in a snapshot of the hub's cache")
	if err := os.WriteFile(outside, files["linked"], 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	client := NewClient(Config{Offline: true})
	snapshot, err := client.Open(t.Context(), dir, "main")
	if err != nil {
		t.Fatal(err)
	}
	checkLocal(t, snapshot, files)
	plan, err := client.Plan(snapshot, []string{"config.json", "sub/x.bin"})
	if err != nil || plan.Download != 0 || plan.Total != 5002 || plan.Fits() != nil {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	for _, path := range []string{filepath.Join(dir, "absent"), filepath.Join(dir, "config.json")} {
		_, err := OpenFolder(path)
		checkKind(t, err, Invalid)
	}
	_, err = client.Open(t.Context(), filepath.Join(dir, "absent"), "main")
	checkKind(t, err, Invalid)
}

func TestOpenFS(t *testing.T) {
	files := map[string][]byte{"config.json": []byte("{}"), "sub/x.bin": content(5000), "empty": {}}
	mapped := fstest.MapFS{}
	for path, data := range files {
		mapped[path] = &fstest.MapFile{Data: data}
	}
	for _, source := range []fs.FS{mapped, shownFS{mapped}} {
		snapshot, err := OpenFS("demo", source)
		if err != nil {
			t.Fatal(err)
		}
		if snapshot.Name() != "demo" {
			t.Errorf("Name() = %q", snapshot.Name())
		}
		checkLocal(t, snapshot, files)
		data, release, err := snapshot.Read(t.Context(), "sub/x.bin")
		if err != nil {
			t.Fatal(err)
		}
		if _, shown := source.(BytesFS); shown && unsafe.SliceData(data) != unsafe.SliceData(files["sub/x.bin"]) {
			t.Error("the bytes were copied")
		}
		release()
	}
}

type shownFS struct{ fstest.MapFS }

func (s shownFS) Bytes(path string) ([]byte, error) { return s.MapFS[path].Data, nil }

func checkLocal(t *testing.T, snapshot Snapshot, files map[string][]byte) {
	t.Helper()
	checkRead(t, snapshot, files)
	if list := snapshot.Files(); len(list) != len(files) {
		t.Errorf("files: %+v", list)
	}
	for _, file := range snapshot.Files() {
		if file.Size != int64(len(files[file.Path])) || !file.Cached || !snapshot.Has(file.Path) {
			t.Errorf("%+v", file)
		}
	}
	fetchAll(t, snapshot, files)
	for _, path := range []string{"absent", "sub"} {
		_, _, err := snapshot.Read(t.Context(), path)
		checkKind(t, err, EntryNotFound)
		if !errors.Is(err, fs.ErrNotExist) || snapshot.Has(path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, _, err := snapshot.Read(t.Context(), "../x")
	checkKind(t, err, Invalid)
	if snapshot.Commit() != "" || snapshot.Close() != nil {
		t.Errorf("commit %q", snapshot.Commit())
	}
}
