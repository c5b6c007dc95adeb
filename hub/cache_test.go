package hub

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"npinf/internal/hubtest"
)

func TestNoSymlinks(t *testing.T) {
	hub, files, config := setup(t)
	linked := open(t, config, "main")
	if err := linked.Fetch(t.Context(), []string{bigFile}); err != nil {
		t.Fatal(err)
	}
	config.NoSymlinks = true
	files["new.txt"] = []byte("new")
	hub.AddRepo(testRepo, files)
	hub.Forget()
	snapshot := open(t, config, "main")
	fetchAll(t, snapshot, files)
	checkRead(t, snapshot, files)
	for path := range files {
		info, err := os.Lstat(filepath.Join(config.CacheDir, "models--org--model.v1", "snapshots", snapshot.Commit(), filepath.FromSlash(path)))
		if err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if hub.Served(testRepo, bigFile) != 0 {
		t.Error("content that another commit had was downloaded again")
	}
	checkRead(t, linked, map[string][]byte{bigFile: files[bigFile]}) // its blob was copied, not moved away
}

func TestCacheLayout(t *testing.T) {
	_, files, config := setup(t)
	snapshot := open(t, config, "main")
	fetchAll(t, snapshot, files)
	_, _, err := snapshot.Read(t.Context(), "some/absent.json")
	checkKind(t, err, EntryNotFound)
	root := filepath.Join(config.CacheDir, "models--org--model.v1")
	for path, data := range files {
		etag := hubtest.File{Path: path, Content: data}.Etag()
		if stored, err := os.ReadFile(filepath.Join(root, "blobs", etag)); err != nil || !bytes.Equal(stored, data) {
			t.Errorf("the blob of %s: %v", path, err)
		}
		want := strings.Repeat("../", 2+strings.Count(path, "/")) + "blobs/" + etag
		if link, err := os.Readlink(filepath.Join(root, "snapshots", snapshot.Commit(), path)); filepath.ToSlash(link) != want || err != nil {
			t.Errorf("%s links to %q, want %q: %v", path, link, want, err)
		}
		if _, err := os.Stat(filepath.Join(config.CacheDir, ".locks", "models--org--model.v1", etag+".lock")); err != nil {
			t.Error(err)
		}
	}
	if ref, err := os.ReadFile(filepath.Join(root, "refs", "main")); string(ref) != snapshot.Commit() || err != nil {
		t.Errorf("refs/main is %q: %v", ref, err)
	}
	if tag, err := os.ReadFile(filepath.Join(config.CacheDir, "CACHEDIR.TAG")); !bytes.HasPrefix(tag, []byte("Signature: 8a477f597d28d172789f06886806bc55")) {
		t.Errorf("CACHEDIR.TAG: %q, %v", tag, err)
	}
	if info, err := os.Stat(filepath.Join(root, ".no_exist", snapshot.Commit(), "some", "absent.json")); err != nil || info.Size() != 0 {
		t.Error(err)
	}
	if left := leftovers(t, config.CacheDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCacheUsage(t *testing.T) {
	hub, files, config := setup(t)
	config.Parallel = 1 // the piece that arrives is the first one
	client := NewClient(config)
	if used, err := client.CacheUsage(); len(used) != 0 || err != nil {
		t.Errorf("an absent cache: %v, %v", used, err)
	}
	snapshot := open(t, config, "main")
	if err := snapshot.Fetch(t.Context(), []string{"config.json"}); err != nil {
		t.Fatal(err)
	}
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Times: 1, Do: hubtest.Slow(1<<20, 0)})
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Do: hubtest.Cut(0)})
	checkKind(t, snapshot.Fetch(t.Context(), []string{bigFile}), Network)
	used, err := client.CacheUsage()
	if err != nil || len(used) != 1 {
		t.Fatalf("%+v, %v", used, err)
	}
	most := int64(testPiece + 5000)
	if used[0].Repo != testRepo || used[0].Bytes < testPiece+int64(len(files["config.json"])) || used[0].Bytes > most {
		t.Errorf("%+v", used[0])
	}
}
