package sae

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"npinf/internal/suggest"
	"npinf/weights"
)

// Listing is a repository or folder whose sources are to be found.
type Listing struct {
	weights.Files
	Paths []string // of its files
	// Name is the repository's id, or the folder, with forward slashes. Some dialects say in
	// it which model they are for.
	Name string
	// Below restricts the search to a folder, or to one file; "" searches everything.
	Below string
	// Fetch makes files local, several at a time; nil where they are.
	Fetch func(ctx context.Context, paths []string) error
}

// Found is what Discover saw.
type Found struct {
	Rows []Row
	// Skipped says of files that look like a source why they are none.
	Skipped []string
}

// Discover finds the sources of a listing and their dialects by the names of the files. What
// the registry knows of the repository it says better, normalisation factors above all.
//
// A source is called by the id it has on neuronpedia, from the registry or its own
// configuration; otherwise by its path with dashes for slashes, or the name of its folder
// where it is in SAELens' format. It is an error when there is none, and when two have one id.
func Discover(ctx context.Context, registry *Registry, l Listing) (Found, error) {
	repo := repositoryOf(l.Name)
	s := &search{Listing: l, repo: repo, taken: map[string]bool{}}
	if registry != nil {
		s.released(registry)
	}
	for _, file := range l.Paths {
		s.recognise(file)
	}
	slices.SortStableFunc(s.found.Rows, func(a, b Row) int { return cmp.Compare(a.Path, b.Path) })
	if len(s.found.Rows) == 0 {
		return s.found, s.nothing()
	}
	if err := s.name(ctx); err != nil {
		return s.found, fmt.Errorf("%s: %w", l.Name, err)
	}
	return s.found, nil
}

// repositoryOf is the repository a folder holds: the one whose snapshot it is in the hub's
// cache, or one of the folder's own name. An id owner/repo stays what it is.
func repositoryOf(name string) string {
	if strings.Count(name, "/") == 1 && !strings.HasPrefix(name, "/") {
		return name
	}
	parts := strings.Split(strings.TrimRight(name, "/"), "/")
	for _, part := range parts {
		if rest, cached := strings.CutPrefix(part, "models--"); cached {
			return strings.Replace(rest, "--", "/", 1)
		}
	}
	return parts[len(parts)-1]
}

// search collects the sources of a listing.
type search struct {
	Listing
	repo  string
	found Found
	taken map[string]bool // paths of rows
}

// within reports whether a row or one of its files is asked for.
func (s *search) within(file string) bool {
	return s.Below == "" || file == s.Below || strings.HasPrefix(file, s.Below+"/")
}

// released adds what the registry knows of the repository and is there.
func (s *search) released(registry *Registry) {
	for _, row := range registry.InRepo(s.repo) {
		files, err := Paths(row, s.Has)
		if err == nil && s.within(row.Path) && !s.taken[row.Path] && !slices.ContainsFunc(files, func(f string) bool { return !s.Has(f) }) {
			s.taken[row.Path] = true
			s.found.Rows = append(s.found.Rows, row)
		}
	}
}

// recognise adds the source that a file belongs to, when it is the file by which its
// dialect is known.
func (s *search) recognise(file string) {
	signature, at, known := signatureOf(file, s.repo, s.Has)
	if !known || s.taken[at] || !s.within(file) && !s.within(at) {
		return
	}
	row := Row{Repo: s.repo, Path: at, Dialect: signature.dialect}
	if signature.dialect == "sae_lens" {
		row.Repo = s.Name // it only stands in errors
	}
	if err := s.check(signature, row); err != nil {
		s.found.Skipped = append(s.found.Skipped, fmt.Sprintf("%s: %v", file, err))
		return
	}
	s.taken[at] = true
	s.found.Rows = append(s.found.Rows, row)
}

// check says what a source of a dialect lacks.
func (s *search) check(signature signature, row Row) error {
	if signature.dialect == "" {
		return errors.New(signature.wants)
	}
	files, err := Paths(row, s.Has)
	if err != nil {
		return err
	}
	for _, file := range files {
		if !s.Has(file) {
			return fmt.Errorf("a source of the dialect %s has %s beside it, which is missing", signature.dialect, file)
		}
	}
	if signature.check != nil {
		return signature.check(row)
	}
	return nil
}

// nothing says that no source was found, what came near, and what is expected.
func (s *search) nothing() error {
	if s.Below != "" && !slices.ContainsFunc(s.Paths, s.within) {
		folders := map[string]bool{}
		var names []string
		for _, file := range s.Paths {
			for at := path.Dir(file); at != "." && !folders[at]; at = path.Dir(at) {
				folders[at], names = true, append(names, at)
			}
		}
		hint := suggest.DidYouMeanOneOf(suggest.Similar(s.Below, names))
		if hint == "" && len(names) > 0 {
			hint = "; it has " + strings.Join(names[:min(len(names), 5)], ", ")
		}
		return fmt.Errorf("%s has no %s%s", s.Name, s.Below, hint)
	}
	where := strings.TrimSuffix(s.Name+"/"+s.Below, "/")
	if len(s.found.Skipped) > 0 {
		shown := s.found.Skipped[:min(len(s.found.Skipped), 3)]
		return fmt.Errorf("%s: no source that can be read; name the folder of one repository, or a source in it: %s", where, strings.Join(shown, "; "))
	}
	return fmt.Errorf("%s: no sources in it or below: want %s, or the files of one of the other dialects (%s)",
		where, nativeConfig+" and "+nativeWeights, strings.Join(signatureNames(), ", "))
}

// InRepo returns the released sources of a Hugging Face repository, listed ones first. A
// name without an owner finds the repository of any owner, as a local copy is called.
func (r *Registry) InRepo(repo string) []Row {
	var rows []Row
	unlisted, _ := r.Unlisted() // damaged only when the binary is, which its own test finds
	for _, part := range [][]Row{r.rows, unlisted} {
		for _, row := range part {
			if row.Repo == repo || !strings.Contains(repo, "/") && path.Base(row.Repo) == repo {
				rows = append(rows, row)
			}
		}
	}
	return rows
}
