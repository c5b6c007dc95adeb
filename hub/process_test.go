//go:build unix

package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"npinf/internal/hubtest"
)

// childVariable makes the test binary a client in a process of its own: it holds the configuration as JSON.
const childVariable = "HUB_TEST_CHILD"

type childTask struct {
	Endpoint, CacheDir string
	Read               bool // read the files, which a cache that cannot be written does not prevent
	Paths              []string
}

func TestMain(m *testing.M) {
	task := os.Getenv(childVariable)
	if task == "" {
		os.Exit(m.Run())
	}
	if err := runChild(task); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(text string) error {
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		return err
	}
	config := Config{Endpoint: task.Endpoint, CacheDir: task.CacheDir, PieceBytes: testPiece, Parallel: 4}
	ctx := context.Background()
	snapshot, err := NewClient(config).Snapshot(ctx, testRepo, "main")
	if err != nil {
		return err
	}
	if !task.Read {
		return snapshot.Fetch(ctx, task.Paths)
	}
	for _, path := range task.Paths {
		data, release, err := snapshot.Read(ctx, path)
		if err != nil {
			return err
		}
		fmt.Println(path, hubtest.File{Path: path, Content: data}.Etag())
		release()
	}
	return nil
}

func child(t *testing.T, task childTask) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	output := &strings.Builder{}
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+string(text))
	command.Stdout, command.Stderr = output, output
	return command, output
}

func TestTwoProcessesDownloadOnce(t *testing.T) {
	hub, files, config := setup(t)
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Do: hubtest.Slow(16<<10, time.Millisecond)})
	task := childTask{Endpoint: hub.URL, CacheDir: config.CacheDir, Paths: paths(files)}
	first, firstOutput := child(t, task)
	second, secondOutput := child(t, task)
	for _, command := range []*exec.Cmd{first, second} {
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Wait(); err != nil {
		t.Errorf("%v: %s", err, firstOutput)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("%v: %s", err, secondOutput)
	}
	for path, data := range files {
		if sent := hub.Served(testRepo, path); sent != int64(len(data)) {
			t.Errorf("%s: %d bytes were sent for %d", path, sent, len(data))
		}
	}
	config.Offline = true
	checkRead(t, open(t, config, "main"), files)
}

// TestKillAndResume kills a downloading process again and again, and checks each time that the next one asks for nothing
// that the record says is here.
func TestKillAndResume(t *testing.T) {
	hub, files, config := setup(t)
	file := hubtest.File{Path: bigFile, Content: files[bigFile]}
	size := int64(len(file.Content))
	base := filepath.Join(config.CacheDir, "models--org--model.v1", "blobs", file.Etag())
	listed := entry{path: bigFile, size: size, blob: file.SHA1(), sha256: file.SHA256()}
	task := childTask{Endpoint: hub.URL, CacheDir: config.CacheDir, Paths: []string{bigFile}}
	kept := int64(0)
	for round := range 4 {
		hub.Forget()
		hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Do: hubtest.Slow(4<<10, 4*time.Millisecond)})
		command, output := child(t, task)
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		goal := kept + int64(round+1)*37_000 // some moment in the middle of things
		for deadline := time.Now().Add(10 * time.Second); partialBytes(base, listed, testPiece) < goal && time.Now().Before(deadline); {
			time.Sleep(2 * time.Millisecond)
		}
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait() // killed: what it printed tells
		kept = partialBytes(base, listed, testPiece)
		if kept < goal || kept >= size {
			t.Fatalf("round %d: %d of %d bytes kept, wanted %d: %s", round, kept, size, goal, output)
		}
	}
	hub.Forget()
	command, output := child(t, task)
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if sent := hub.Served(testRepo, bigFile); sent != size-kept {
		t.Errorf("the last process was sent %d bytes, %d were missing", sent, size-kept)
	}
	if left := leftovers(t, config.CacheDir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	config.Offline = true
	checkRead(t, open(t, config, "main"), map[string][]byte{bigFile: files[bigFile]})
}

// TestReadOnlyCache reads in a process that may not write the cache: what is there is mapped, the rest streamed.
func TestReadOnlyCache(t *testing.T) {
	hub, files, config := setup(t)
	config.CacheDir = filepath.Join(publicFolder(t), "cache")
	if err := open(t, config, "main").Fetch(t.Context(), []string{bigFile}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(config.CacheDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o555)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := listAll(t, config.CacheDir)
	hub.Forget()
	command, output := child(t, childTask{Endpoint: hub.URL, CacheDir: config.CacheDir, Read: true, Paths: paths(files)})
	if os.Geteuid() == 0 { // permissions stop everybody else
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		command.Path = copyForEverybody(t)
	}
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for path, data := range files {
		if want := path + " " + (hubtest.File{Path: path, Content: data}).Etag(); !strings.Contains(output.String(), want) {
			t.Errorf("%q is missing in the output:\n%s", want, output)
		}
	}
	if hub.Served(testRepo, bigFile) != 0 {
		t.Error("a cached file was downloaded")
	}
	if after := listAll(t, config.CacheDir); after != before {
		t.Errorf("the cache changed from\n%s\nto\n%s", before, after)
	}
}

// publicFolder is a temporary folder that other users may enter and that can be deleted after it became read-only.
func publicFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "hub")
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o755)
			}
			return err
		})
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

func copyForEverybody(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(publicFolder(t), "hub.test")
	if err := copyFile(os.Args[0], binary); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return binary
}

func listAll(t *testing.T, folder string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		fmt.Fprintln(&list, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}
