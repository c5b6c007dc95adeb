// Package golden finds and reads the recorded reference data that the golden tests compare
// with. The data lies outside the module: in the folder named by NPINF_GOLDEN, else in
// ../shared/golden beside the module root. Without it the golden tests skip, unless
// NPINF_REQUIRE_SHARED=1 asks for a failure instead.
package golden

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Names of the environment variables that steer the golden tests.
const (
	FolderVariable  = "NPINF_GOLDEN"         // the golden folder
	RequireVariable = "NPINF_REQUIRE_SHARED" // "1": missing data fails the test
)

// Dir returns the folder sub of the golden data ("" for all of it). When the folder is
// missing or empty the test is skipped, or fails under NPINF_REQUIRE_SHARED=1.
func Dir(t testing.TB, sub string) string {
	t.Helper()
	root := os.Getenv(FolderVariable)
	if root == "" {
		root = filepath.Join(ModuleRoot(t), "..", "shared", "golden")
	}
	dir := filepath.Join(root, filepath.FromSlash(sub))
	if entries, err := os.ReadDir(dir); err != nil || len(entries) == 0 {
		Missing(t, "no golden data in "+dir+"; set "+FolderVariable+" to the golden folder")
	}
	return dir
}

// Missing ends the test because data it needs is not on this machine: a skip with the
// reason, or a failure under NPINF_REQUIRE_SHARED=1.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(RequireVariable) == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// ModuleRoot returns the folder of go.mod, found upwards from the working directory.
func ModuleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod in the working directory or above it")
		}
		dir = parent
	}
}

// ReadFile returns the content of a file, decompressed when its name ends in .gz or .zst.
// A name that is not there is tried with .zst and .gz appended. Any error fails the test.
func ReadFile(t testing.TB, path string) []byte {
	t.Helper()
	path = existing(path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("golden data: %v", err)
	}
	content, err := decompress(path, raw)
	if err != nil {
		t.Fatalf("golden data %s: %v", path, err)
	}
	return content
}

// ReadJSON decodes a JSON file, compressed or not, into the value that v points to.
func ReadJSON(t testing.TB, path string, v any) {
	t.Helper()
	if err := json.Unmarshal(ReadFile(t, path), v); err != nil {
		t.Fatalf("golden data %s: %v", path, err)
	}
}

// Exists reports whether ReadFile would find path, under its own name or a compressed one.
func Exists(path string) bool {
	_, err := os.Stat(existing(path))
	return err == nil
}

func existing(path string) string {
	for _, suffix := range []string{"", ".zst", ".gz"} {
		if _, err := os.Stat(path + suffix); err == nil {
			return path + suffix
		}
	}
	return path
}

func decompress(path string, raw []byte) ([]byte, error) {
	switch {
	case strings.HasSuffix(path, ".gz"):
		reader, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(reader)
	case strings.HasSuffix(path, ".zst"):
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer decoder.Close()
		return decoder.DecodeAll(raw, nil)
	}
	return raw, nil
}
