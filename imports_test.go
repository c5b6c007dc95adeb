package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is the house: which packages of the module each package may import. Imports
// point strictly down. A package that is not listed is a failure, so a new one is a decision.
var mayImport = map[string][]string{
	"":                  {"internal/cli"},
	"internal/cli":      {"demo", "engine", "server", "hub", "sae", "tokenizer", "kernels", "internal/settings", "internal/suggest"},
	"server":            {"engine", "internal/pyjson", "internal/schema"},
	"engine":            {"lens", "model", "sae", "hub", "chat", "tokenizer", "kernels", "weights", "internal/pyrepr", "internal/suggest"},
	"lens":              {"model", "weights", "kernels"},
	"model":             {"weights", "kernels"},
	"sae":               {"weights", "kernels", "internal/suggest"},
	"weights":           {"kernels"},
	"kernels":           {"internal/mmap"},
	"tokenizer":         {},
	"hub":               {"internal/mmap"},
	"demo":              {},
	"internal/settings": {},
	"internal/suggest":  {},
	"internal/mmap":     {},
	"internal/pyjson":   {},
	"internal/pyrepr":   {},
	"internal/schema":   {"internal/pyjson"},
	"chat":              {"tokenizer", "internal/jinja"},
	"internal/jinja":    {"internal/pyrepr"},
	"internal/golden":   {},
	"internal/hubtest":  {},
}

// testsMayAlsoImport are helpers that only tests use.
var testsMayAlsoImport = []string{"internal/golden", "internal/hubtest"}

// TestImportsPointDown parses the files itself: `go list` results are cached by `go test`
// and would hide an import that was just added.
func TestImportsPointDown(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || len(entry.Name()) > 1 && entry.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		folder := filepath.ToSlash(filepath.Dir(path))
		if folder == "." {
			folder = ""
		}
		seen[folder] = true
		checkImports(t, path, folder)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 5 {
		t.Fatalf("only %d packages were found: the walk is broken", len(seen))
	}
}

func checkImports(t *testing.T, path, folder string) {
	t.Helper()
	allowed, listed := mayImport[folder]
	if !listed {
		t.Errorf("%s: package %q is not in the table of imports_test.go; decide on which floor it lives", path, folder)
		return
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	test := strings.HasSuffix(path, "_test.go")
	for _, spec := range file.Imports {
		name, inside := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "npinf/")
		if !inside || name == folder || slices.Contains(allowed, name) {
			continue
		}
		if test && (folder == "" || slices.Contains(testsMayAlsoImport, name)) {
			continue
		}
		t.Errorf("%s imports npinf/%s; %q may import %q", path, name, folder, allowed)
	}
}
