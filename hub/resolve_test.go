package hub

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"npinf/internal/hubtest"
)

func TestRequestCounts(t *testing.T) {
	hub, files, config := setup(t)
	cold := open(t, config, "")
	if got := len(hub.Requests()); got != 2 {
		t.Errorf("a cold start asked %d times, want 2: the commit and its files", got)
	}
	fetchAll(t, cold, files)
	checkRead(t, cold, files)

	offline := config
	offline.Offline = true
	for _, test := range []struct {
		name     string
		config   Config
		revision string
		want     int
	}{
		{"warm", config, "main", 1},
		{"commit", config, cold.Commit(), 0},
		{"offline", offline, "main", 0},
		{"offline commit", offline, cold.Commit(), 0},
	} {
		hub.Forget()
		snapshot := open(t, test.config, test.revision)
		fetchAll(t, snapshot, files)
		checkRead(t, snapshot, files)
		if got := len(hub.Requests()); got != test.want {
			t.Errorf("%s: %d requests, want %d: %v", test.name, got, test.want, hub.Requests())
		}
		if snapshot.Commit() != cold.Commit() {
			t.Errorf("%s: commit %s, want %s", test.name, snapshot.Commit(), cold.Commit())
		}
	}
}

func TestListing(t *testing.T) {
	hub, files, config := setup(t)
	hub.SetPageSize(2)
	snapshot := open(t, config, "main")
	if hub.Count("/tree/") != 4 { // 5 files and 3 folders
		t.Errorf("%d pages asked for, want 4", hub.Count("/tree/"))
	}
	list := snapshot.Files()
	if len(list) != len(files) {
		t.Fatalf("%d files listed, want %d: %v", len(list), len(files), list)
	}
	for i, file := range list {
		large := hubtest.File{Path: file.Path, Content: files[file.Path]}
		if file.Size != int64(len(files[file.Path])) || file.Cached || large.Large() != (file.SHA256 == large.SHA256()) {
			t.Errorf("%+v is wrong", file)
		}
		if i > 0 && list[i-1].Path >= file.Path {
			t.Errorf("%s is listed before %s", list[i-1].Path, file.Path)
		}
		if !snapshot.Has(file.Path) {
			t.Errorf("Has(%s) is false", file.Path)
		}
	}
	if snapshot.Has("absent") || snapshot.Has("layers") {
		t.Error("Has says yes to what is no file")
	}
	if snapshot.Name() != testRepo {
		t.Errorf("Name() = %q", snapshot.Name())
	}
}

func TestNewCommitBringsOnlyWhatChanged(t *testing.T) {
	hub, files, config := setup(t)
	old := open(t, config, "main")
	fetchAll(t, old, files)
	files["config.json"] = []byte(`{"model_type":"changed"}`)
	hub.AddRepo(testRepo, files)
	hub.Forget()
	snapshot := open(t, config, "main")
	if snapshot.Commit() == old.Commit() {
		t.Fatal("the new commit was not seen")
	}
	fetchAll(t, snapshot, files)
	checkRead(t, snapshot, files)
	if hub.Count("/resolve/") != 1 || hub.Served(testRepo, bigFile) != 0 {
		t.Errorf("%d files asked for, want 1", hub.Count("/resolve/"))
	}
	files["config.json"] = modelFiles()["config.json"]
	checkRead(t, open(t, config, old.Commit()), files)
}

func TestRenamedRepository(t *testing.T) {
	hub, files, config := setup(t)
	hub.Rename(testRepo, "org/new-name")
	snapshot := open(t, config, "main")
	checkRead(t, snapshot, files)
}

// TestHubDown checks which failures leave a cached commit in use, and that nobody waits for retries then.
func TestHubDown(t *testing.T) {
	for _, test := range []struct {
		name   string
		effect hubtest.Effect
		falls  bool
	}{
		{"unavailable", hubtest.Status(503, nil, ""), true},
		{"unauthorised", hubtest.Status(401, nil, `{"error":"Invalid username or password."}`), true},
		{"captive portal", hubtest.Status(200, nil, "<html>sign in</html>"), true},
		{"rate limit", hubtest.RateLimit("300"), true},
		{"revision gone", hubtest.Status(404, map[string]string{"X-Error-Code": "RevisionNotFound"}, ""), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub, files, config := setup(t)
			fetchAll(t, open(t, config, "main"), files)
			hub.Forget()
			hub.Inject(hubtest.Fault{On: hubtest.API, Do: test.effect})
			log := &logBuffer{}
			config.Logger = log.logger()
			snapshot, err := NewClient(config).Snapshot(t.Context(), testRepo, "main")
			if !test.falls {
				checkKind(t, err, RevisionNotFound)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkRead(t, snapshot, files)
			if len(hub.Requests()) != 1 || !strings.Contains(log.String(), "cached commit") {
				t.Errorf("%d requests, want 1; log: %s", len(hub.Requests()), log)
			}
		})
	}
}

// TestHubDownWithoutAList leaves only what lies in the snapshot folder, and no claims about the rest.
func TestHubDownWithoutAList(t *testing.T) {
	hub, files, config := setup(t)
	if err := open(t, config, "main").Fetch(t.Context(), []string{"config.json"}); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(config.CacheDir, "models--org--model.v1")
	if err := os.RemoveAll(filepath.Join(root, "trees")); err != nil {
		t.Fatal(err)
	}
	hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/tree/", Do: hubtest.Status(503, nil, "")})
	for _, revision := range []string{"main", hub.AddRepo(testRepo, files)} {
		snapshot := open(t, config, revision)
		checkRead(t, snapshot, map[string][]byte{"config.json": files["config.json"]})
		_, _, err := snapshot.Read(t.Context(), bigFile)
		checkKind(t, err, Network)
	}
	if _, err := os.Stat(filepath.Join(root, ".no_exist")); err == nil {
		t.Error("files that the cache lacks were noted as absent from the repository")
	}
}

func TestHubUnreachable(t *testing.T) {
	hub, files, config := setup(t)
	fetchAll(t, open(t, config, "main"), files)
	config.Endpoint = "http://127.0.0.1:1" // nothing listens there
	checkRead(t, open(t, config, "main"), files)

	waited := &clock{}
	config.CacheDir, config.Sleep = t.TempDir(), waited.sleep
	_, err := NewClient(config).Snapshot(t.Context(), testRepo, "main")
	checkKind(t, err, Network)
	if got, want := fmt.Sprint(waited.slept), "[1s 2s 4s 8s 8s]"; got != want {
		t.Errorf("waited %s, want %s", got, want)
	}
	checkKind(t, NewClient(config).Reachable(t.Context()), Network)
	config.Endpoint = hub.URL
	if err := NewClient(config).Reachable(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTemporaryFailures(t *testing.T) {
	hub, files, config := setup(t)
	waited := &clock{}
	config.Sleep = waited.sleep
	hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/revision/", Times: 1, Do: hubtest.RateLimit("41")})
	hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/revision/", Times: 1,
		Do: hubtest.Status(429, map[string]string{"Retry-After": "6", "RateLimit": `"api";r=1;t=100`}, "")})
	hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/revision/", Times: 1, Do: hubtest.Status(503, nil, "")})
	snapshot := open(t, config, "main")
	if got, want := fmt.Sprint(waited.slept), "[42s 7s 4s]"; got != want {
		t.Errorf("waited %s, want %s", got, want)
	}
	hub.Inject(hubtest.Fault{On: hubtest.Resolve, Times: 2, Do: hubtest.RateLimit("1")})
	hub.Inject(hubtest.Fault{On: hubtest.Content, Times: 3, Do: hubtest.Status(500, nil, "")})
	checkRead(t, snapshot, files)
}

func TestCancel(t *testing.T) {
	hub, _, config := setup(t)
	config.Sleep = nil
	hub.Inject(hubtest.Fault{On: hubtest.API, Do: hubtest.RateLimit("300")})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := NewClient(config).Snapshot(ctx, testRepo, "main"); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

func TestOffline(t *testing.T) {
	hub, files, config := setup(t)
	snapshot := open(t, config, "main")
	if err := snapshot.Fetch(t.Context(), []string{"config.json"}); err != nil {
		t.Fatal(err)
	}
	hub.Forget()
	config.Offline = true
	snapshot = open(t, config, "main")
	checkRead(t, snapshot, map[string][]byte{"config.json": files["config.json"]})
	_, _, err := snapshot.Read(t.Context(), bigFile)
	checkKind(t, err, Offline)
	checkKind(t, snapshot.Fetch(t.Context(), []string{bigFile}), Offline)
	_, _, err = snapshot.Read(t.Context(), "absent")
	checkKind(t, err, EntryNotFound)
	_, err = NewClient(config).Snapshot(t.Context(), "org/other", "main")
	checkKind(t, err, Offline)
	_, err = NewClient(config).Snapshot(t.Context(), testRepo, "v2")
	checkKind(t, err, Offline)
	checkKind(t, NewClient(config).Reachable(t.Context()), Offline)
	if len(hub.Requests()) != 0 {
		t.Errorf("offline asked: %v", hub.Requests())
	}
	if !strings.Contains(err.Error(), "HF_HUB_OFFLINE") {
		t.Errorf("no remedy in %q", err)
	}

	// A cache by another program may lack the list of files: what lies there is what there is.
	if err := os.RemoveAll(filepath.Join(config.CacheDir, "models--org--model.v1", "trees")); err != nil {
		t.Fatal(err)
	}
	snapshot = open(t, config, "main")
	if list := snapshot.Files(); len(list) != 1 || list[0].Path != "config.json" || !list[0].Cached {
		t.Errorf("files: %+v", list)
	}
	checkRead(t, snapshot, map[string][]byte{"config.json": files["config.json"]})
	_, _, err = snapshot.Read(t.Context(), bigFile)
	checkKind(t, err, Offline)
}
