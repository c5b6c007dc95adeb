package hubtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// note keeps a request for the test to look at.
func (h *Hub) note(r *http.Request, content, fileServer bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, Request{Content: content, FileServer: fileServer, Path: r.URL.Path,
		Range: r.Header.Get("Range"), Token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")})
}

func (h *Hub) serveHub(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("RateLimit", `"resolvers";r=2998;t=172`)
	w.Header().Set("RateLimit-Policy", `"fixed window";"resolvers";q=3000;w=300`)
	w.Header().Set("X-Request-Id", "request-of-a-test")
	parts := segments(r.URL.EscapedPath())
	switch {
	case len(parts) >= 6 && parts[0] == "api" && parts[1] == "resolve-cache":
		h.note(r, true, false)
		h.serveSmall(w, r, strings.Join(parts[3:5], "/"), parts[5], strings.Join(parts[6:], "/"))
	case len(parts) >= 4 && parts[0] == "api" && parts[1] == "models":
		h.note(r, false, false)
		if answered := h.strike(API, r.URL.Path).send(w); !answered {
			h.serveAPI(w, r, strings.Join(parts[2:4], "/"), parts[4:])
		}
	case len(parts) >= 5 && parts[2] == "resolve":
		h.note(r, false, false)
		if answered := h.strike(Resolve, r.URL.Path).send(w); !answered {
			h.serveResolve(w, r, strings.Join(parts[:2], "/"), parts[3], strings.Join(parts[4:], "/"))
		}
	case r.URL.Path == "/api/models":
		h.note(r, false, false)
		if answered := h.strike(API, r.URL.Path).send(w); !answered {
			fmt.Fprint(w, "[]")
		}
	default:
		h.note(r, false, false)
		refuse(w, http.StatusNotFound, "", "Sorry, we can't find the page you are looking for.")
	}
}

// segments splits before unquoting, so a quoted slash stays inside its segment.
func segments(escaped string) []string {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for i, part := range parts {
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return parts
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": message})
}

// commit finds a revision the way the hub does, and answers itself where there is nothing or no permission.
func (h *Hub) commit(w http.ResponseWriter, r *http.Request, id, revision string) (hash string, files map[string]File, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	repo := h.repos[id]
	switch {
	case repo == nil && token == "":
		refuse(w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
	case repo == nil:
		refuse(w, http.StatusNotFound, "RepoNotFound", "Repository not found")
	case repo.disabled:
		refuse(w, http.StatusForbidden, "", "Access to this resource is disabled.")
	case repo.token != "" && token == "":
		refuse(w, http.StatusUnauthorized, "GatedRepo", "Access to model "+id+" is restricted. You must have access to it and be authenticated to access it.")
	case repo.token != "" && token != repo.token:
		refuse(w, http.StatusForbidden, "GatedRepo", "Access to model "+id+" is restricted and you are not in the authorized list.")
	case repo.renamed != "":
		w.Header().Set("Location", strings.Replace(r.URL.RequestURI(), id, repo.renamed, 1))
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		if hash = revision; revision == "main" || revision == "refs/pr/1" {
			hash = repo.main
		}
		if files, ok = repo.commits[hash]; !ok {
			refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+revision)
		}
	}
	return hash, files, ok
}

func (h *Hub) serveAPI(w http.ResponseWriter, r *http.Request, id string, rest []string) {
	if len(rest) != 2 {
		refuse(w, http.StatusNotFound, "", "Not found")
		return
	}
	hash, files, ok := h.commit(w, r, id, rest[1])
	switch {
	case !ok:
	case rest[0] == "revision":
		json.NewEncoder(w).Encode(map[string]any{"id": id, "sha": hash, "private": false, "tags": []string{}})
	case rest[0] == "tree":
		h.serveTree(w, r, files)
	default:
		refuse(w, http.StatusNotFound, "", "Not found")
	}
}

func (h *Hub) serveTree(w http.ResponseWriter, r *http.Request, files map[string]File) {
	var list []map[string]any
	folders := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for i, letter := range name {
			if folder := name[:i]; letter == '/' && !folders[folder] {
				folders[folder] = true
				list = append(list, map[string]any{"type": "directory", "oid": File{}.SHA1(), "size": 0, "path": folder})
			}
		}
		list = append(list, treeEntry(files[name]))
	}
	h.mu.Lock()
	size := h.pageSize
	h.mu.Unlock()
	start, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	end := min(start+size, len(list))
	if end < len(list) {
		query := r.URL.Query()
		query.Set("cursor", strconv.Itoa(end))
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, h.URL, r.URL.EscapedPath(), query.Encode()))
	}
	json.NewEncoder(w).Encode(list[start:end])
}

func treeEntry(file File) map[string]any {
	entry := map[string]any{"type": "file", "oid": file.SHA1(), "size": len(file.Content), "path": file.Path}
	if file.Large() {
		entry["lfs"] = map[string]any{"oid": file.SHA256(), "size": len(file.Content), "pointerSize": 134}
	}
	return entry
}
