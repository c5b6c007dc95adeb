package sae

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// The directory of released sources, written by registry/generate.py, which also explains
// the format. The many sources without a neuronpedia id are kept apart because hardly any
// run needs them.
var (
	//go:embed registry/listed.gz
	listedSources []byte
	//go:embed registry/unlisted.gz
	unlistedSources []byte
	//go:embed registry/aliases.tsv
	modelAliases string
)

// Release is one published collection of sources.
type Release struct {
	Name    string
	Model   string // lookup key of the directory
	Repo    string // Hugging Face repository
	Dialect string // file dialect, sae.md §6
	// Overrides replace keys of the configuration of every source in the release.
	Overrides map[string]any
}

func openRegistry() (*Registry, error) {
	rows, releases, err := readDirectory("listed.gz", listedSources)
	if err != nil {
		return nil, err
	}
	registry := &Registry{rows: rows, releases: releases, unlisted: sync.OnceValues(func() ([]Row, error) {
		rows, _, err := readDirectory("unlisted.gz", unlistedSources)
		return rows, err
	})}
	if registry.aliases, err = readAliases(modelAliases); err != nil {
		return nil, err
	}
	registry.directory = map[string]bool{}
	for _, release := range releases {
		registry.directory[release.Model] = true
	}
	return registry, nil
}

// Rows returns the sources with a neuronpedia id, in directory order.
func (r *Registry) Rows() []Row { return r.rows }

// Unlisted returns the sources without a neuronpedia id, in directory order. They are
// unpacked on the first call.
func (r *Registry) Unlisted() ([]Row, error) { return r.unlisted() }

// Releases returns every release, in directory order.
func (r *Registry) Releases() []Release { return r.releases }

// readDirectory unpacks one half of the directory. The rows are substrings of one text.
func readDirectory(name string, packed []byte) ([]Row, []Release, error) {
	text, err := unpack(packed)
	if err != nil {
		return nil, nil, fmt.Errorf("embedded registry %s: %w", name, err)
	}
	rows := make([]Row, 0, strings.Count(text, "\nS"))
	var releases []Release
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		fields := strings.Split(line, "\t")
		switch {
		case len(fields) == 6 && fields[0] == "R":
			var release Release
			if release, err = parseRelease(fields); err == nil {
				releases = append(releases, release)
			}
		case len(fields) == 5 && fields[0] == "S" && len(releases) > 0:
			var row Row
			if row, err = parseRow(fields, &releases[len(releases)-1]); err == nil {
				rows = append(rows, row)
			}
		default:
			err = fmt.Errorf("malformed line")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("embedded registry %s, line %d: %w", name, number, err)
		}
	}
	return rows, releases, nil
}

func unpack(packed []byte) (string, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	_, err = io.Copy(&text, reader)
	return text.String(), err
}

func parseRelease(fields []string) (Release, error) {
	release := Release{Name: fields[1], Model: fields[2], Repo: fields[3], Dialect: fields[4]}
	if fields[5] == "" {
		return release, nil
	}
	err := json.Unmarshal([]byte(fields[5]), &release.Overrides)
	return release, err
}

func parseRow(fields []string, release *Release) (Row, error) {
	row := Row{
		ID: fields[1], Path: fields[2], Release: release.Name, Repo: release.Repo,
		Dialect: release.Dialect, Model: release.Model, Overrides: release.Overrides,
	}
	if row.Path == "" {
		row.Path = row.ID
	}
	if id := fields[3]; id != "" {
		slash := strings.LastIndexByte(id, '/')
		if slash < 0 {
			return row, fmt.Errorf("neuronpedia id %q has no model part", id)
		}
		row.NeuronpediaModel, row.Source = id[:slash], id[slash+1:]
		row.Set = SetOf(row.Source)
	}
	if fields[4] == "" {
		return row, nil
	}
	var err error
	row.NormScalingFactor, err = strconv.ParseFloat(fields[4], 64)
	return row, err
}

// SetOf returns the source set of a source id: the id without its first dash-part, so that
// "7-res-jb" belongs to "res-jb". An id without a dash is its own set.
func SetOf(source string) string {
	_, set, found := strings.Cut(source, "-")
	if !found {
		return source
	}
	return set
}

// NeuronpediaID is the full id of the row, such as "gpt2-small/7-res-jb"; "" when it has none.
func (r Row) NeuronpediaID() string {
	if r.Source == "" || r.NeuronpediaModel == "" {
		return ""
	}
	return r.NeuronpediaModel + "/" + r.Source
}

func readAliases(table string) (map[string]string, error) {
	aliases := map[string]string{}
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, repo, found := strings.Cut(line, "\t")
		if !found {
			return nil, fmt.Errorf("embedded registry aliases.tsv: malformed line %q", line)
		}
		aliases[id] = repo
	}
	return aliases, nil
}

// HubID returns the Hugging Face repository that holds the weights of a neuronpedia model,
// "openai-community/gpt2" for "gpt2-small". The id itself and false when none is known.
func (r *Registry) HubID(neuronpediaID string) (string, bool) {
	repo, found := r.aliases[neuronpediaID]
	if !found {
		return neuronpediaID, false
	}
	return repo, true
}

// NeuronpediaIDs returns the short model ids that mean a Hugging Face repository, sorted.
func (r *Registry) NeuronpediaIDs(repo string) []string {
	var ids []string
	for id, alias := range r.aliases {
		if alias == repo {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Aliases returns the given model ids together with every other name the registry has for
// them, sorted: requests may use any of these for the served model.
func (r *Registry) Aliases(ids ...string) []string {
	var names []string
	for _, id := range ids {
		if id != "" {
			names = append(names, r.candidates(id)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// candidates lists the names under which the directory may know a model, best first.
func (r *Registry) candidates(id string) []string {
	names := []string{id}
	if repo, found := r.aliases[id]; found {
		names = append(names, repo)
	}
	for _, short := range r.NeuronpediaIDs(id) {
		if !slices.Contains(names, short) {
			names = append(names, short)
		}
	}
	return names
}

// ResolveModel finds the directory's name for a configured model id. A model whose name ends
// in -it falls back to its base model, whose sources run on it as well. Without any match
// the id itself comes back, found is false, and no source can be selected.
func (r *Registry) ResolveModel(configured string) (directoryModel string, found bool) {
	candidates := r.candidates(configured)
	for _, name := range candidates {
		if r.directory[name] {
			return name, true
		}
	}
	for _, name := range candidates {
		if base, tuned := strings.CutSuffix(name, "-it"); tuned && r.directory[base] {
			return base, true
		}
	}
	return configured, false
}
