package hub

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

// Names reach us from flags, requests and hub answers, and become URLs and file names, so each is checked once, here,
// before anything is asked or opened.

var (
	repoPattern   = regexp.MustCompile(`^(?:[\w.-]{1,96}/)?[\w.-]{1,96}$`)
	commitPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// checkRepo accepts ids such as "openai-community/gpt2" by the hub's own rule.
func checkRepo(repo string) error {
	bad := !repoPattern.MatchString(repo) || strings.Contains(repo, "--") || strings.Contains(repo, "..") || strings.HasSuffix(repo, ".git")
	for part := range strings.SplitSeq(repo, "/") {
		bad = bad || strings.Trim(part, "-.") != part
	}
	if bad {
		return &Error{Kind: Invalid, Repo: repo, Message: fmt.Sprintf(
			"%q is neither a folder nor a repository id: an id is owner/name, of letters, digits, '-', '_' and '.', 96 at most", repo)}
	}
	return nil
}

// checkRevision accepts a branch, tag, pull-request ref or commit that is also a safe relative path under refs/.
func checkRevision(repo, revision string) error {
	if !safePath(revision) {
		return &Error{Kind: Invalid, Repo: repo, Message: fmt.Sprintf("%q is not a revision: name a branch, a tag or a commit", revision)}
	}
	return nil
}

func checkPath(repo, path string) error {
	if !safePath(path) {
		return &Error{Kind: Invalid, Repo: repo, Path: path, Message: fmt.Sprintf(
			"%q is not a path inside a repository: use a relative path with forward slashes", path)}
	}
	return nil
}

// safePath says whether path stays below the folder it is joined to, on this system and on the others.
func safePath(path string) bool {
	if path == "." || !fs.ValidPath(path) || strings.ContainsRune(path, '\\') || !filepath.IsLocal(filepath.FromSlash(path)) {
		return false
	}
	return !strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f })
}
