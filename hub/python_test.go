package hub

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"npinf/internal/hubtest"
)

const pythonReads = `
import hashlib, os, sys
from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache, _CACHED_NO_EXIST
repo, commit, absent, *paths = sys.argv[1:]
folder = snapshot_download(repo, local_files_only=True)
assert folder == snapshot_download(repo, revision=commit, local_files_only=True), folder
assert os.path.basename(folder) == commit, folder
assert try_to_load_from_cache(repo, absent) is _CACHED_NO_EXIST
for path in paths:
    name = hf_hub_download(repo, path)
    assert name == os.path.join(folder, path), name
    print(path + " " + hashlib.sha256(open(name, "rb").read()).hexdigest())
`

const pythonDownloads = `
import sys
from huggingface_hub import snapshot_download
snapshot_download(sys.argv[1])
`

// python runs a script against a cache; it skips the test where huggingface_hub is not installed.
func python(t *testing.T, cacheDir, script string, variables []string, arguments ...string) string {
	t.Helper()
	if exec.Command("python3", "-c", "import huggingface_hub").Run() != nil {
		t.Skip("python3 with huggingface_hub is not installed")
	}
	command := exec.Command("python3", append([]string{"-c", script}, arguments...)...)
	command.Env = append(os.Environ(), "HF_HUB_CACHE="+cacheDir, "HF_HOME="+filepath.Join(t.TempDir(), "home"))
	command.Env = append(command.Env, variables...)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return string(output)
}

// TestPythonFindsEveryFile hands a cache that this package wrote to huggingface_hub without a network.
func TestPythonFindsEveryFile(t *testing.T) {
	for _, noSymlinks := range []bool{false, true} {
		_, files, config := setup(t)
		config.NoSymlinks = noSymlinks
		snapshot := open(t, config, "main")
		fetchAll(t, snapshot, files)
		_, _, err := snapshot.Read(t.Context(), "generation_config.json")
		checkKind(t, err, EntryNotFound)
		output := python(t, config.CacheDir, pythonReads, []string{"HF_HUB_OFFLINE=1"},
			append([]string{testRepo, snapshot.Commit(), "generation_config.json"}, paths(files)...)...)
		for path, data := range files {
			if want := path + " " + (hubtest.File{Content: data}).SHA256(); !strings.Contains(output, want) {
				t.Errorf("%q is missing in the output:\n%s", want, output)
			}
		}
	}
}

// TestPythonsCacheIsOurs lets huggingface_hub download and reads its cache without a network.
func TestPythonsCacheIsOurs(t *testing.T) {
	hub, files, config := setup(t)
	python(t, config.CacheDir, pythonDownloads, []string{"HF_ENDPOINT=" + hub.URL, "HF_HUB_DISABLE_XET=1"}, testRepo)
	hub.Forget()
	warm := open(t, config, "main")
	fetchAll(t, warm, files)
	if len(hub.Requests()) != 1 {
		t.Errorf("%d requests, want 1: %v", len(hub.Requests()), hub.Requests())
	}
	config.Offline = true
	checkRead(t, open(t, config, "main"), files)
}
