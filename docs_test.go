package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"npinf/internal/cli"
)

// The weaknesses of the Python server that docs/differences.md has to speak of.
const lastWeakness, lastSteeringWeakness = 51, 25

// TestDifferencesAreShown holds docs/differences.md to the tests: every number has one row,
// and every row names a test that exists.
func TestDifferencesAreShown(t *testing.T) {
	tests, named := testNames(t), regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	rows := map[string]int{}
	for _, line := range strings.Split(read(t, "docs/differences.md"), "\n") {
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

// TestSettingsAreDocumented looks for every variable of the settings in the README.
func TestSettingsAreDocumented(t *testing.T) {
	source, readme := read(t, "internal/settings/settings.go"), read(t, "README.md")
	variables := regexp.MustCompile("`env:\"([A-Z_]+)\"").FindAllStringSubmatch(source, -1)
	if len(variables) < 30 {
		t.Fatalf("only %d variables were found", len(variables))
	}
	// These only keep the environment files of the Python server working.
	unsaid := []string{"DEVICE", "FREEZE_POINTS", "LIST_MODELS"}
	for _, variable := range variables {
		if name := variable[1]; !slices.Contains(unsaid, name) && !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("README.md does not speak of %s", name)
		}
	}
}

// TestDocumentedFlagsExist holds the flags that the texts name to those that help lists.
func TestDocumentedFlagsExist(t *testing.T) {
	flag := regexp.MustCompile("(?m)(?:^|[\\s`(])--([a-z][a-z-]+)")
	known := map[string]bool{"help": true}
	for _, command := range []string{"run", "features", "steer", "list", "tokenize", "pull", "doctor", "healthcheck"} {
		var help bytes.Buffer
		if code := cli.Run(t.Context(), &cli.World{Stdout: &help, Stderr: &help}, []string{command, "--help"}); code != 0 {
			t.Fatalf("npinf %s --help ends with %d: %s", command, code, help.String())
		}
		for _, found := range flag.FindAllStringSubmatch(help.String(), -1) {
			known[found[1]] = true
		}
	}
	named := 0
	for _, path := range []string{"README.md", "RATIONALE.md", "docs/secrets.md", "docs/differences.md"} {
		for _, found := range flag.FindAllStringSubmatch(read(t, path), -1) {
			named++
			if !known[found[1]] {
				t.Errorf("%s names --%s, which no command has", path, found[1])
			}
		}
	}
	if named < 20 {
		t.Errorf("only %d flags were found in the texts", named)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
