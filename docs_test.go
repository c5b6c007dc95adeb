package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The weaknesses of the Python server that docs/differences.md has to speak of.
const lastWeakness, lastSteeringWeakness = 51, 25

// TestDifferencesAreShown holds docs/differences.md to the tests: every number has one row,
// and every row names a test that exists.
func TestDifferencesAreShown(t *testing.T) {
	text, err := os.ReadFile("docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, named := testNames(t), regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	rows := map[string]int{}
	for _, line := range strings.Split(string(text), "\n") {
		for _, name := range named.FindAllStringSubmatch(line, -1) {
			if !tests[name[1]] {
				t.Errorf("there is no %s: %s", name[1], line)
			}
		}
		columns := strings.Split(strings.Trim(line, "| "), " | ")
		number := columns[0]
		if !strings.HasPrefix(number, "W-") && !strings.HasPrefix(number, "S-W") {
			continue
		}
		rows[number]++
		if len(columns) != 4 || !named.MatchString(columns[len(columns)-1]) {
			t.Errorf("%s: %d columns, and no test in the last", number, len(columns))
		}
	}
	for n := 1; n <= lastWeakness; n++ {
		if number := fmt.Sprint("W-", n); rows[number] != 1 {
			t.Errorf("%s has %d rows", number, rows[number])
		}
	}
	for n := 1; n <= lastSteeringWeakness; n++ {
		if number := fmt.Sprint("S-W", n); rows[number] != 1 {
			t.Errorf("%s has %d rows", number, rows[number])
		}
	}
}

// testNames are the test functions of all packages.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
