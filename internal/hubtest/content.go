package hubtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// serveResolve answers a file's URL: a relative redirect for small files, one to the file server for large ones, with
// the facts about the file in headers of this answer only.
func (h *Hub) serveResolve(w http.ResponseWriter, r *http.Request, id, revision, path string) {
	hash, files, ok := h.commit(w, r, id, revision)
	if !ok {
		return
	}
	w.Header().Set("X-Repo-Commit", hash)
	file, ok := files[path]
	if !ok {
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	target := (&url.URL{Path: id + "/" + hash + "/" + path}).EscapedPath()
	if !file.Large() {
		w.Header().Set("Location", "/api/resolve-cache/models/"+target+"?etag=%22"+file.SHA1()+"%22")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	w.Header().Set("X-Linked-Etag", `"`+file.SHA256()+`"`)
	w.Header().Set("X-Linked-Size", strconv.Itoa(len(file.Content)))
	w.Header().Set("X-Xet-Hash", file.SHA256())
	h.mu.Lock()
	signature := fmt.Sprintf("signature-%d", len(h.links)+1)
	h.links[signature] = 0
	h.mu.Unlock()
	w.Header().Set("Location", h.files+"/bridge/"+target+"?Expires=1&Signature="+signature)
	w.WriteHeader(http.StatusFound)
}

func (h *Hub) serveSmall(w http.ResponseWriter, r *http.Request, id, hash, path string) {
	_, files, ok := h.commit(w, r, id, hash)
	if !ok {
		return
	}
	w.Header().Set("ETag", `"`+files[path].SHA1()+`"`)
	w.Header().Set("X-Repo-Commit", hash)
	h.serveContent(w, r, id, files[path])
}

// serveFiles is the file server: it takes no second credential, knows signatures that expire, and states an ETag that is
// not the content's hash.
func (h *Hub) serveFiles(w http.ResponseWriter, r *http.Request) {
	h.note(r, true, true)
	parts := segments(r.URL.EscapedPath())
	if r.Header.Get("Authorization") != "" || len(parts) < 5 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	signature := r.URL.Query().Get("Signature")
	uses, known := h.links[signature]
	h.links[signature] = uses + 1
	expired := !known || (h.linkUses > 0 && uses >= h.linkUses)
	var file File
	id := parts[1] + "/" + parts[2]
	if repo := h.repos[id]; repo != nil {
		file = repo.commits[parts[3]][strings.Join(parts[4:], "/")]
	}
	h.mu.Unlock()
	if expired {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
		return
	}
	w.Header().Set("ETag", `"`+strings.Repeat("d", 64)+`"`)
	h.serveContent(w, r, id, file)
}

// send gives the failure that a fault asked for, if any.
func (r *reply) send(w http.ResponseWriter) bool {
	if r.status == 0 {
		return false
	}
	for name := range r.header {
		w.Header().Set(name, r.header.Get(name))
	}
	w.WriteHeader(r.status)
	fmt.Fprint(w, r.body)
	return true
}

func (h *Hub) serveContent(w http.ResponseWriter, r *http.Request, id string, file File) {
	answer := h.strike(Content, r.URL.Path)
	if answer.send(w) {
		return
	}
	size := int64(len(file.Content))
	start, end, status := int64(0), size, http.StatusOK
	if asked := r.Header.Get("Range"); asked != "" && !answer.ignoreRange {
		var last int64
		if _, err := fmt.Sscanf(asked, "bytes=%d-%d", &start, &last); err != nil || start >= size {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		end, status = min(last+1, size), http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, size))
	}
	w.Header().Set("Content-Length", strconv.FormatInt(end-start+answer.longer, 10))
	w.WriteHeader(status)
	h.write(w, r, answer, id, file, start, end+min(answer.longer, 0))
}

// write sends bytes [offset, end) of a file with what the fault does to them.
func (h *Hub) write(w http.ResponseWriter, r *http.Request, answer *reply, id string, file File, offset, end int64) {
	const chunk = 64 << 10
	for start := offset; offset < end; {
		next := min(offset+chunk, end)
		if answer.pauseEvery > 0 {
			next = min(next, offset+int64(answer.pauseEvery))
		}
		for _, limit := range []int64{answer.cut, answer.stall} {
			if limit >= 0 {
				next = min(next, start+limit)
			}
		}
		data := append([]byte(nil), file.Content[offset:next]...)
		if answer.flip >= offset && answer.flip < next {
			data[answer.flip-offset] ^= 1
		}
		if n, err := w.Write(data); err != nil || n < len(data) {
			return
		}
		w.(http.Flusher).Flush()
		h.count(answer.since, id+"/"+file.Path, next-offset)
		offset = next
		switch {
		case answer.cut >= 0 && offset == start+answer.cut:
			panic(http.ErrAbortHandler)
		case answer.stall >= 0 && offset == start+answer.stall:
			<-r.Context().Done()
			return
		}
		time.Sleep(answer.pause)
	}
}
