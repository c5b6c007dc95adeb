package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"npinf/demo"
	"npinf/hub"
	"npinf/internal/suggest"
	"npinf/sae"
)

// listedModel is one line of npinf list.
type listedModel struct {
	Model   string   `json:"model"`
	Repo    string   `json:"repo"`
	Sets    []string `json:"sets"`
	Sources int      `json:"sources"`
	Cached  int64    `json:"cached_bytes"`
}

func runList(_ context.Context, w *World, args []string) error {
	f := newFlags("list", "[WORD] [flags]", `
Shows the models that can be served, with their source sets, and what is in the cache already.
With WORD only models whose name or repository contains it; the name of one model shows its
sets with their layers. --sources searches the sources of those models by set, release, id and
path. Any other Hugging Face model of a supported family can be served too, without released
sources.`)
	s, _, err := configure(w, f, args)
	if err != nil {
		return err
	}
	asJSON := f.Bool("json", false, "print JSON")
	sources := f.String("sources", "", "search the released sources for this `WORD`")
	all := f.Bool("all", false, "search also the sources without a Neuronpedia id, which --sae hf:… serves")
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usagef("list takes one word, got %q", rest)
	}
	st, err := openStation(w, s, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer st.close()
	word := ""
	if len(rest) == 1 {
		word = rest[0]
	}
	if *sources != "" || *all {
		return st.listSources(w.Stdout, word, *sources, *all, *asJSON)
	}
	return st.list(w.Stdout, word, *asJSON)
}

func (st *station) list(out io.Writer, word string, asJSON bool) error {
	models, err := st.listed()
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(models), func(m listedModel) bool {
		return !strings.Contains(strings.ToLower(m.Model+" "+m.Repo), strings.ToLower(word))
	})
	exact := slices.IndexFunc(models, func(m listedModel) bool { return m.Model == word })
	switch {
	case len(chosen) == 0:
		var names []string
		for _, m := range models {
			names = append(names, m.Model)
		}
		return fmt.Errorf("no model matches %q%s (npinf list shows all)", word, suggest.DidYouMean(word, names))
	case asJSON:
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(chosen)
	case exact >= 0:
		return st.printSets(out, models[exact])
	}
	return printModels(out, chosen)
}

// listed collects the built-in model and every Neuronpedia id with a known repository.
func (st *station) listed() ([]listedModel, error) {
	usage, err := st.hub.CacheUsage()
	if err != nil {
		return nil, err
	}
	models := []listedModel{{Model: demo.Name, Repo: "built in", Sets: []string{demo.SourceSet}}}
	if _, sources, err := openDemo(); err == nil {
		models[0].Sources = len(sources)
	}
	for _, id := range st.modelNames() {
		if slices.ContainsFunc(models, func(m listedModel) bool { return m.Model == id }) {
			continue
		}
		repo, _ := st.registry.HubID(id)
		m := listedModel{Model: id, Repo: repo, Sets: []string{}, Cached: cachedBytes(usage, repo)}
		for _, set := range st.setsOf(id) {
			m.Sets = append(m.Sets, set.Name)
			m.Sources += len(set.Sources)
		}
		models = append(models, m)
	}
	return models, nil
}

func (st *station) setsOf(id string) []sae.Set {
	directory, _ := st.registry.ResolveModel(id)
	return st.registry.Sets(directory)
}

func cachedBytes(usage []hub.CachedRepo, repo string) int64 {
	for _, u := range usage {
		if u.Repo == repo {
			return u.Bytes
		}
	}
	return 0
}

func printModels(out io.Writer, models []listedModel) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "MODEL\tREPOSITORY\tSETS\tSOURCES\tCACHED")
	for _, m := range models {
		cached := "-"
		if m.Cached > 0 {
			cached = hub.BytesText(m.Cached)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", m.Model, m.Repo, len(m.Sets), m.Sources, cached)
	}
	return table.Flush()
}

// printSets shows one model's sets with the layers they cover.
func (st *station) printSets(out io.Writer, m listedModel) error {
	fmt.Fprintf(out, "%s (%s)", m.Model, m.Repo)
	if m.Cached > 0 {
		fmt.Fprintf(out, ", %s in the cache", hub.BytesText(m.Cached))
	}
	fmt.Fprint(out, "\n\n")
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SET\tSOURCES\tFIRST\tLAST\tREPOSITORY")
	sets := st.setsOf(m.Model)
	if m.Model == demo.Name {
		_, sources, err := openDemo()
		if err != nil {
			return err
		}
		set := sae.Set{Name: demo.SourceSet}
		for _, source := range sources {
			set.Sources = append(set.Sources, source.Row)
		}
		sets = []sae.Set{set}
	}
	for _, set := range sets {
		var ids []string
		for _, row := range set.Sources {
			ids = append(ids, row.Source)
		}
		first, last := ends(ids)
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\n", set.Name, len(set.Sources), first, last, set.Sources[0].Repo)
	}
	return table.Flush()
}

// ends gives the sources of the lowest and the highest layer; the directory lists a set in
// the order in which it was released.
func ends(sources []string) (first, last string) {
	first, last = sources[0], sources[0]
	for _, source := range sources {
		if layerOf(source) < layerOf(first) {
			first = source
		}
		if layerOf(source) > layerOf(last) {
			last = source
		}
	}
	return first, last
}

// layerOf reads the number that a source's id begins with; 0 without one.
func layerOf(source string) int {
	number, _, _ := strings.Cut(source, "-")
	layer, _ := strconv.Atoi(number) // an id that begins otherwise has no layer to order by
	return layer
}
