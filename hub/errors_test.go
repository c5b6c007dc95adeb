package hub

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"npinf/internal/hubtest"
)

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
