package hub

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cache is the folder shared with Python's huggingface_hub:
//
//	CACHEDIR.TAG
//	.locks/models--owner--name/<etag>.lock
//	models--owner--name/blobs/<etag>                    content, under its sha256 or git sha1
//	models--owner--name/snapshots/<commit>/<path>       relative link to the blob, or the content itself
//	models--owner--name/refs/<revision>                 the commit, without a newline
//	models--owner--name/trees/<commit>.json             the list of files
//	models--owner--name/.no_exist/<commit>/<path>       empty: the commit has no such file
//
// Names are checked before they come here. Notes that only save later requests (refs, trees, .no_exist) are written where
// the folder can be written, and their failure is no error: a read-only cache works.
type cache struct {
	dir        string
	noSymlinks bool
}

func (c cache) folder(repo string) string {
	return filepath.Join(c.dir, "models--"+strings.ReplaceAll(repo, "/", "--"))
}

func (c cache) blob(repo, etag string) string { return filepath.Join(c.folder(repo), "blobs", etag) }

func (c cache) lock(repo, etag string) string {
	return filepath.Join(c.dir, ".locks", filepath.Base(c.folder(repo)), etag+".lock")
}

func (c cache) snapshot(repo, commit string) string {
	return filepath.Join(c.folder(repo), "snapshots", commit)
}

func (c cache) pointer(repo, commit, path string) string {
	return filepath.Join(c.snapshot(repo, commit), filepath.FromSlash(path))
}

// find gives the local file with the content of e: the pointer of this commit, else the blob that another commit
// brought. A file of another size is not it.
func (c cache) find(repo, commit string, e entry) (path string, linked, ok bool) {
	if path := c.pointer(repo, commit, e.path); hasSize(path, e.size) {
		return path, true, true
	}
	if path := c.blob(repo, e.etag()); e.etag() != "" && hasSize(path, e.size) {
		return path, false, true
	}
	return "", false, false
}

func hasSize(path string, size int64) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// knows says whether anything of the commit is here.
func (c cache) knows(repo, commit string) bool {
	for _, path := range []string{c.tree(repo, commit), c.snapshot(repo, commit)} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

func (c cache) ref(repo, revision string) string {
	return filepath.Join(c.folder(repo), "refs", filepath.FromSlash(revision))
}

func (c cache) readRef(repo, revision string) string {
	content, err := os.ReadFile(c.ref(repo, revision))
	commit := strings.TrimSpace(string(content))
	if err != nil || !commitPattern.MatchString(commit) {
		return ""
	}
	return commit
}

func (c cache) writeRef(repo, revision, commit string) {
	if revision != commit && c.readRef(repo, revision) != commit {
		c.note(c.ref(repo, revision), []byte(commit))
	}
}

func (c cache) tree(repo, commit string) string {
	return filepath.Join(c.folder(repo), "trees", commit+".json")
}

const treeVersion = 1

type treeFile struct {
	Version int                  `json:"format_version"`
	Files   map[string]treeEntry `json:"files"`
}

type treeEntry struct {
	Size    int64  `json:"size"`
	Blob    string `json:"blob_id"`
	SHA256  string `json:"lfs_sha256,omitempty"`
	LFSSize *int64 `json:"lfs_size,omitempty"`
	Xet     string `json:"xet_hash,omitempty"`
}

// readTree gives the stored list of files. One of another version, or one that fails the checks, counts as absent.
func (c cache) readTree(repo, commit string) (map[string]entry, bool) {
	content, err := os.ReadFile(c.tree(repo, commit))
	var stored treeFile
	if err != nil || json.Unmarshal(content, &stored) != nil || stored.Version != treeVersion {
		return nil, false
	}
	files := make(map[string]entry, len(stored.Files))
	for path, e := range stored.Files {
		file := entry{path: path, size: e.Size, blob: e.Blob, sha256: e.SHA256, xet: e.Xet}
		if e.SHA256 != "" && e.LFSSize != nil {
			file.size = *e.LFSSize
		}
		if file.check() != nil {
			return nil, false
		}
		files[path] = file
	}
	return files, true
}

func (c cache) writeTree(repo, commit string, files map[string]entry) {
	stored := treeFile{Version: treeVersion, Files: make(map[string]treeEntry, len(files))}
	for path, file := range files {
		e := treeEntry{Size: file.size, Blob: file.blob, SHA256: file.sha256, Xet: file.xet}
		if e.SHA256 != "" {
			e.LFSSize = &file.size
		}
		stored.Files[path] = e
	}
	if content, err := json.MarshalIndent(stored, "", " "); err == nil {
		c.note(c.tree(repo, commit), content)
	}
}

// storedFiles lists what lies in a snapshot folder, for commits whose list of files was never stored.
func (c cache) storedFiles(repo, commit string) map[string]entry {
	root, files := c.snapshot(repo, commit), map[string]entry{}
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		relative, relErr := filepath.Rel(root, path)
		info, statErr := os.Stat(path) // of the blob, not of the link
		if name := filepath.ToSlash(relative); relErr == nil && statErr == nil && info.Mode().IsRegular() && safePath(name) {
			files[name] = linkedEntry(path, name, info.Size())
		}
		return nil
	})
	return files
}

// linkedEntry learns the hash of a file from the blob that its link names.
func linkedEntry(path, name string, size int64) entry {
	file := entry{path: name, size: size}
	target, err := os.Readlink(path)
	if err != nil {
		return file
	}
	switch etag := filepath.Base(target); {
	case sha256Pattern.MatchString(etag):
		file.sha256 = etag
	case commitPattern.MatchString(etag):
		file.blob = etag
	}
	return file
}

func (c cache) absent(repo, commit, path string) string {
	return filepath.Join(c.folder(repo), ".no_exist", commit, filepath.FromSlash(path))
}

func (c cache) isAbsent(repo, commit, path string) bool {
	_, err := os.Stat(c.absent(repo, commit, path))
	return err == nil
}

func (c cache) noteAbsent(repo, commit, path string) {
	if !c.isAbsent(repo, commit, path) {
		c.note(c.absent(repo, commit, path), nil)
	}
}

// note writes a small file if it can.
func (c cache) note(path string, content []byte) {
	if c.tag() == nil {
		_ = writeAtomic(path, content) // saves a request next time; nothing depends on it
	}
}

const cacheTag = "Signature: 8a477f597d28d172789f06886806bc55\n# This folder can be downloaded again; see https://bford.info/cachedir/\n"

// tag creates the cache folder, marked so that backups leave it out.
func (c cache) tag() error {
	path := filepath.Join(c.dir, "CACHEDIR.TAG")
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return writeAtomic(path, []byte(cacheTag))
}

// writeAtomic lets readers see the old file or the new one, never half of it. The mode follows the umask.
func writeAtomic(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temporary := path + "." + randomHex() + ".tmp"
	err := os.WriteFile(temporary, content, 0o666)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	return errors.Join(err, ignoreAbsent(os.Remove(temporary)))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func randomHex() string {
	var random [4]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}
