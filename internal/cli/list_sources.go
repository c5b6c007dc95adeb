package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"npinf/internal/suggest"
	"npinf/sae"
)

// listedSource is one source that a search found.
type listedSource struct {
	Model   string `json:"model"`
	Set     string `json:"set,omitempty"`    // of sources with a Neuronpedia id
	Source  string `json:"source,omitempty"` // that id without the model
	Release string `json:"release"`
	ID      string `json:"id"` // in the release
	Repo    string `json:"repo"`
	Path    string `json:"path"`
	Dialect string `json:"dialect"`
}

// group is what a search shows in one line: a set, or a release of sources without ids.
func (s listedSource) group() string {
	if s.Set != "" {
		return s.Set
	}
	return s.Release
}

// name is how the source is asked for: by its id, or by its place.
func (s listedSource) name() string {
	if s.Source != "" {
		return s.Source
	}
	return "hf:" + s.Repo + "/" + s.Path
}

// mostShownSources is up to how many sources are listed one by one.
const mostShownSources = 40

// listSources searches the released sources: models by word, sets, releases, ids and paths
// by wanted. all includes the sources without a Neuronpedia id.
func (st *station) listSources(out io.Writer, word, wanted string, all, asJSON bool) error {
	rows := st.registry.Rows()
	if all {
		unlisted, err := st.registry.Unlisted()
		if err != nil {
			return err
		}
		rows = append(rows[:len(rows):len(rows)], unlisted...)
	}
	word, wanted = strings.ToLower(word), strings.ToLower(wanted)
	found := []listedSource{}
	names := map[string]bool{} // of the groups of the models that match
	for _, row := range rows {
		source := listedSource{row.NeuronpediaModel, row.Set, row.Source, row.Release, row.ID, row.Repo, row.Path, row.Dialect}
		if source.Model == "" {
			source.Model = row.Model
		}
		if !st.modelMatches(row, word) {
			continue
		}
		names[source.group()] = true
		if strings.Contains(strings.ToLower(strings.Join([]string{row.Set, row.Source, row.Release, row.ID, row.Repo, row.Path}, "\n")), wanted) {
			found = append(found, source)
		}
	}
	switch {
	case len(found) == 0:
		return noSources(word, wanted, names, all)
	case asJSON:
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(found)
	case len(found) <= mostShownSources:
		return printSources(out, found)
	}
	return printGroups(out, found)
}

func (st *station) modelMatches(row sae.Row, word string) bool {
	repo, _ := st.registry.HubID(row.NeuronpediaModel)
	return strings.Contains(strings.ToLower(row.NeuronpediaModel+"\n"+row.Model+"\n"+repo), word)
}

func noSources(word, wanted string, names map[string]bool, all bool) error {
	if len(names) == 0 {
		return fmt.Errorf("no released sources for a model like %q (npinf list shows the models)", word)
	}
	hint := ""
	if !all {
		hint = "; --all also searches the sources without a Neuronpedia id"
	}
	return fmt.Errorf("no sources like %q%s%s", wanted, suggest.DidYouMean(wanted, slices.Sorted(maps.Keys(names))), hint)
}

// printSources shows every source; those without an id by the place to serve them from.
func printSources(out io.Writer, found []listedSource) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "MODEL\tSOURCE\tSET OR RELEASE\tFILES")
	places := false
	for _, s := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Model, s.name(), s.group(), s.Dialect)
		places = places || s.Source == ""
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if places {
		fmt.Fprintln(out, "\nServe a source named hf:… with --sae hf:…")
	}
	return nil
}

// printGroups shows one line for every set or release of a model.
func printGroups(out io.Writer, found []listedSource) error {
	type key struct{ model, group string }
	groups := map[key][]listedSource{}
	var order []key
	for _, s := range found {
		k := key{s.Model, s.group()}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], s)
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "MODEL\tSET OR RELEASE\tSOURCES\tFIRST\tLAST\tREPOSITORY")
	for _, k := range order {
		g := groups[k]
		var names []string
		for _, source := range g {
			names = append(names, short(source))
		}
		first, last := ends(names)
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", k.model, k.group, len(g), first, last, g[0].Repo)
	}
	fmt.Fprintf(table, "\n%d sources; a narrower search shows them one by one\n", len(found))
	return table.Flush()
}

func short(s listedSource) string {
	if s.Source != "" {
		return s.Source
	}
	return s.ID
}
