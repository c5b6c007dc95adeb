package sae

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"npinf/internal/suggest"
)

// Environment variables that hold the patterns of Select; its errors name them.
const (
	IncludeVariable = "INCLUDE_SAE"
	ExcludeVariable = "EXCLUDE_SAE"
)

// PatternError says that a source pattern is not a valid regular expression.
type PatternError struct {
	Variable string // INCLUDE_SAE or EXCLUDE_SAE
	Pattern  string
	Reason   string
}

// Error implements error.
func (e *PatternError) Error() string {
	return fmt.Sprintf("%s: pattern %q: %s; patterns are RE2 regular expressions, without look-around and back-references",
		e.Variable, e.Pattern, e.Reason)
}

// UnknownSourceError says that the registry has no such source.
type UnknownSourceError struct {
	Model, Source string
	Suggestions   []string // known sources of the model with a similar name, best first
}

// Error implements error.
func (e *UnknownSourceError) Error() string {
	return fmt.Sprintf("no released source %s for model %s%s", e.Source, e.Model, suggest.DidYouMeanOneOf(e.Suggestions))
}

// Select chooses source sets for a configured model id (any name ResolveModel accepts): the
// rows whose set is named in sets and whose source id matches one of the include patterns,
// if there are any, and none of the exclude patterns. Patterns are unanchored. Sets
// and their sources come in directory order; unknown and empty sets are left out. The error is a *PatternError.
func (r *Registry) Select(model string, sets, include, exclude []string) ([]Set, error) {
	chosen, err := Choice(sets, include, exclude)
	if err != nil {
		return nil, err
	}
	return r.group(model, chosen), nil
}

// Choice is the rule of Select for one row. The error is a *PatternError.
func Choice(sets, include, exclude []string) (chosen func(Row) bool, err error) {
	included, err := compile(IncludeVariable, include)
	if err != nil {
		return nil, err
	}
	excluded, err := compile(ExcludeVariable, exclude)
	if err != nil {
		return nil, err
	}
	return func(row Row) bool {
		return slices.Contains(sets, row.Set) &&
			(len(included) == 0 || matchesAny(included, row.Source)) &&
			!matchesAny(excluded, row.Source)
	}, nil
}

// Sets returns every source set of a configured model id.
func (r *Registry) Sets(model string) []Set {
	return r.group(model, func(Row) bool { return true })
}

// group collects the wanted rows of a model by set. The order of the sets is that of their
// names in the whole directory, in which another model may come first with the same name.
func (r *Registry) group(model string, wanted func(Row) bool) []Set {
	directoryModel, _ := r.ResolveModel(model)
	var sets []Set
	position := map[string]int{}
	for _, row := range r.rows {
		at, known := position[row.Set]
		if !known {
			at = len(sets)
			position[row.Set] = at
			sets = append(sets, Set{Name: row.Set})
		}
		if row.Model == directoryModel && wanted(row) {
			sets[at].Sources = append(sets[at].Sources, row)
		}
	}
	return slices.DeleteFunc(sets, func(s Set) bool { return len(s.Sources) == 0 })
}

func compile(variable string, patterns []string) ([]*regexp.Regexp, error) {
	compiled := make([]*regexp.Regexp, len(patterns))
	for i, pattern := range patterns {
		expression, err := regexp.Compile(pattern)
		if err != nil {
			return nil, &PatternError{variable, pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: ")}
		}
		compiled[i] = expression
	}
	return compiled, nil
}

func matchesAny(patterns []*regexp.Regexp, text string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(text) })
}

// Lookup finds the one source of a configured model id that requests call source. The error
// is an *UnknownSourceError with similar names.
func (r *Registry) Lookup(model, source string) (Row, error) {
	directoryModel, _ := r.ResolveModel(model)
	var known []string
	for _, row := range r.rows {
		if row.Model != directoryModel {
			continue
		}
		if row.Source == source {
			return row, nil
		}
		known = append(known, row.Source)
	}
	return Row{}, &UnknownSourceError{directoryModel, source, suggest.Similar(source, known)}
}

// ModelSummary is what the registry has for one directory model.
type ModelSummary struct {
	Model          string   // lookup key of the directory
	NeuronpediaIDs []string // model parts of its sources' ids, in directory order
	Repo           string   // Hugging Face repository of the weights; "" when unknown
	Sets           int
	Sources        int
}

// Models summarises the models with at least one source that requests can name, in
// directory order.
func (r *Registry) Models() []ModelSummary {
	var models []ModelSummary
	position := map[string]int{}
	sets := map[[2]string]bool{}
	for _, row := range r.rows {
		at, known := position[row.Model]
		if !known {
			at = len(models)
			position[row.Model] = at
			models = append(models, ModelSummary{Model: row.Model, Repo: r.repoOf(row.Model)})
		}
		summary := &models[at]
		summary.Sources++
		if set := [2]string{row.Model, row.Set}; !sets[set] {
			sets[set] = true
			summary.Sets++
		}
		if !slices.Contains(summary.NeuronpediaIDs, row.NeuronpediaModel) {
			summary.NeuronpediaIDs = append(summary.NeuronpediaIDs, row.NeuronpediaModel)
		}
	}
	return models
}

func (r *Registry) repoOf(directoryModel string) string {
	if repo, known := r.aliases[directoryModel]; known {
		return repo
	}
	if strings.Contains(directoryModel, "/") {
		return directoryModel
	}
	return ""
}
