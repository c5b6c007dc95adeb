package hub

import (
	"context"
	"fmt"
	"net/http"
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

func TestErrorsOfTheHub(t *testing.T) {
	const secret = "hf_secretsecretsecret"
	for _, test := range []struct {
		name   string
		token  string
		change func(*hubtest.Hub)
		repo   string
		kind   Kind
		says   string
	}{
		{"absent", "", nil, "org/absent", NotFound, "org/absent is not a local folder and is not a valid model identifier listed on http"},
		{"absent with token", secret, nil, "org/absent", NotFound, "is not a valid model identifier"},
		{"gated", "", func(h *hubtest.Hub) { h.Gate(testRepo, "hf_valid") }, testRepo, Gated, "/" + testRepo + ", then set HF_TOKEN"},
		{"not granted", secret, func(h *hubtest.Hub) { h.Gate(testRepo, "hf_valid") }, testRepo, GatedNotGranted, "request access"},
		{"disabled", "", func(h *hubtest.Hub) { h.Disable(testRepo) }, testRepo, Disabled, "disabled"},
		{"bad token", secret, answering(401, "", `{"error":"Invalid credentials in Authorization header"}`), testRepo, BadToken, "token from HF_TOKEN"},
		{"forbidden", secret, answering(403, "", `{"error":["no","read right"]}`), testRepo, Forbidden, "no; read right"},
		{"server", "", answering(502, "", ""), testRepo, Server, "try again later"},
		{"rate limit", "", answering(429, "", ""), testRepo, RateLimited, "higher limit"},
		{"portal", "", answering(200, "", "<html>"), testRepo, NotHub, "HF_ENDPOINT"},
		{"no commit", "", answering(200, "", `{"sha":"../../etc"}`), testRepo, NotHub, "no commit"},
		{"revision", "", answering(404, "RevisionNotFound", ""), testRepo, RevisionNotFound, "no revision main"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub, _, config := setup(t)
			if test.change != nil {
				test.change(hub)
			}
			config.Token, config.TokenSource = test.token, "HF_TOKEN"
			_, err := NewClient(config).Snapshot(t.Context(), test.repo, "")
			checkKind(t, err, test.kind)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v\nlacks %q", err, test.says)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
				t.Errorf("the token shows in %v", err)
			}
			if test.kind != NotHub && !strings.Contains(err.Error(), "request-of-a-test") {
				t.Errorf("no request id in %v", err)
			}
		})
	}
}

func answering(status int, code, body string) func(*hubtest.Hub) {
	header := map[string]string{}
	if code != "" {
		header["X-Error-Code"] = code
	}
	return func(h *hubtest.Hub) {
		h.Inject(hubtest.Fault{On: hubtest.API, Do: hubtest.Status(status, header, body)})
	}
}

func TestToken(t *testing.T) {
	hub, files, config := setup(t)
	hub.Gate(testRepo, "hf_valid")
	config.Token = "hf_valid"
	snapshot := open(t, config, "main")
	checkRead(t, snapshot, files) // the file server refuses requests that carry a token
	for _, request := range hub.Requests() {
		if (request.Token != "") == request.FileServer {
			t.Errorf("token %q on %+v", request.Token, request)
		}
		if request.Content && request.Range == "" {
			t.Errorf("no range on %+v", request)
		}
	}
	client := NewClient(config)
	if name, err := client.WhoAmI(t.Context()); name != "tester" || err != nil {
		t.Errorf("WhoAmI: %q, %v", name, err)
	}
	config.Token = "hf_other"
	_, err := NewClient(config).WhoAmI(t.Context())
	checkKind(t, err, BadToken)
}

func TestTokenStaysAtTheEndpoint(t *testing.T) {
	client := NewClient(Config{Endpoint: "https://hub.example", Token: "hf_x"})
	for address, want := range map[string]bool{
		"https://hub.example/a":      true,
		"https://HUB.example:443/a":  true,
		"http://hub.example/a":       false,
		"https://hub.example:8443/a": false,
		"https://cdn.hub.example/a":  false,
		"https://example/a":          false,
	} {
		if client.isEndpoint(address) != want {
			t.Errorf("isEndpoint(%s) is not %v", address, want)
		}
	}
	if _, err := follow("https://hub.example/a", "http://hub.example/b"); err == nil {
		t.Error("followed from https to http")
	}
}

func TestNamesAreCheckedBeforeAnyRequest(t *testing.T) {
	hub, _, config := setup(t)
	client := NewClient(config)
	for _, repo := range []string{"", "/", "a/b/c", "../x", "org/..", "org/a--b", "org/-a", "org/a.", "org/a.git", "org/a b", "org/a%2f",
		"org\\a", "https://x/y", "org/" + strings.Repeat("a", 97), "org/", "/org", ".org/a", "org/a\n"} {
		_, err := client.Snapshot(t.Context(), repo, "main")
		checkKind(t, err, Invalid)
	}
	for _, revision := range []string{"../main", "/main", "a//b", "a\\b", ".", "a/../../b", "a\x00b"} {
		_, err := client.Snapshot(t.Context(), testRepo, revision)
		checkKind(t, err, Invalid)
	}
	if len(hub.Requests()) != 0 {
		t.Errorf("asked: %v", hub.Requests())
	}
	snapshot := open(t, config, "refs/pr/1")
	hub.Forget()
	for _, path := range []string{"", ".", "../config.json", "/config.json", "a/../config.json", `..\x`, "config.json/", "a//b"} {
		_, _, err := snapshot.Read(t.Context(), path)
		checkKind(t, err, Invalid)
		checkKind(t, snapshot.Fetch(t.Context(), []string{path}), Invalid)
	}
	if len(hub.Requests()) != 0 {
		t.Errorf("asked: %v", hub.Requests())
	}
	for _, repo := range []string{"gpt2", "openai-community/gpt2", "org/a_b.c-1"} {
		if err := checkRepo(repo); err != nil {
			t.Error(err)
		}
	}
}

func TestUnsafeListing(t *testing.T) {
	sha, oid := strings.Repeat("a", 64), strings.Repeat("b", 40)
	for _, item := range []string{
		`{"type":"file","path":"../x","size":1,"oid":"` + oid + `"}`,
		`{"type":"file","path":"x","size":1000000000000000,"oid":"` + oid + `"}`,
		`{"type":"file","path":"x","size":-1,"oid":"` + oid + `"}`,
		`{"type":"file","path":"x","size":1,"oid":"../../x"}`,
		`{"type":"file","path":"x","size":1,"oid":"` + oid + `","lfs":{"oid":"` + sha[1:] + `","size":1}}`,
	} {
		hub, _, config := setup(t)
		hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/tree/", Do: hubtest.Status(200, nil, "["+item+"]")})
		_, err := NewClient(config).Snapshot(t.Context(), testRepo, "main")
		checkKind(t, err, NotHub)
	}
}

func TestRedirectLoop(t *testing.T) {
	hub, _, config := setup(t)
	snapshot := open(t, config, "main")
	hub.Inject(hubtest.Fault{On: hubtest.Resolve, Do: hubtest.Status(http.StatusFound, map[string]string{"Location": "?again"}, "")})
	hub.Forget()
	hub.Inject(hubtest.Fault{On: hubtest.Resolve, Do: hubtest.Status(http.StatusFound, map[string]string{"Location": "?again"}, "")})
	_, _, err := snapshot.Read(t.Context(), "config.json")
	checkKind(t, err, NotHub)
	if len(hub.Requests()) != maxRedirects+1 {
		t.Errorf("%d requests, want %d", len(hub.Requests()), maxRedirects+1)
	}
}
