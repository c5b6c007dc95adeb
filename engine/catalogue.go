package engine

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"npinf/internal/pyrepr"
	"npinf/internal/suggest"
	"npinf/sae"
)

// entry is one source that requests can name.
type entry struct {
	id    string
	row   sae.Row
	local *LocalSource // not nil for sources outside the registry
	layer int          // of a neuron source, else -1
}

func (e entry) neuron() bool { return e.layer >= 0 }

// catalogue says which sources a request may name: those of the configured sets, the local
// ones, the neurons of every layer, and with --any-source everything that is released for
// the model.
type catalogue struct {
	sets     []sae.Set // in directory order, then local ones; without the neurons
	byID     map[string]entry
	registry *sae.Registry
	model    string // key for the registry
	layers   int
	any      bool
}

// newCatalogue chooses the configured sets. layers is the model's number of layers.
func newCatalogue(config *Config, locals []LocalSource, layers int) (*catalogue, error) {
	c := &catalogue{byID: map[string]entry{}, registry: config.Registry, model: config.sourcesID(), layers: layers, any: config.AnySource}
	if c.registry != nil && c.model != "" {
		names := splitNames(config.SourceSets)
		if config.SourceSets == nil {
			names = defaultSets(c.registry.Sets(c.model))
		}
		sets, err := c.registry.Select(c.model, names, config.Include, config.Exclude)
		if err != nil {
			return nil, err
		}
		c.sets = sets
	}
	for _, set := range c.sets {
		for _, row := range set.Sources {
			c.byID[row.Source] = entry{id: row.Source, row: row, layer: -1}
		}
	}
	for i := range locals {
		c.addLocal(&locals[i])
	}
	return c, nil
}

// splitNames separates set names that stand in one string with blanks between them.
func splitNames(names []string) []string {
	var split []string
	for _, name := range names {
		split = append(split, strings.Fields(name)...)
	}
	return split
}

// defaultSets chooses for an operator who named no sets: of the residual sets released for
// the model the one with the most sources, else of all sets; the first of several.
func defaultSets(sets []sae.Set) []string {
	residual := slices.DeleteFunc(slices.Clone(sets), func(set sae.Set) bool { return !strings.Contains(set.Name, "res") })
	if len(residual) > 0 {
		sets = residual
	}
	if len(sets) == 0 {
		return nil
	}
	most := sets[0]
	for _, set := range sets {
		if len(set.Sources) > len(most.Sources) {
			most = set
		}
	}
	return []string{most.Name}
}

// addLocal adds a local source to the set its id names. It beats a released one of that id.
func (c *catalogue) addLocal(source *LocalSource) {
	row := source.Row
	if _, known := c.byID[row.Source]; !known {
		added := false
		for i := range c.sets {
			if c.sets[i].Name == row.Set {
				c.sets[i].Sources = append(c.sets[i].Sources, row)
				added = true
			}
		}
		if !added {
			c.sets = append(c.sets, sae.Set{Name: row.Set, Sources: []sae.Row{row}})
		}
	}
	c.byID[row.Source] = entry{id: row.Source, row: row, local: source, layer: -1}
}

// lookup finds the source a request names. The error tells apart what does not exist and
// what is not configured.
func (c *catalogue) lookup(id string) (entry, error) {
	if e, known := c.byID[id]; known {
		return e, nil
	}
	if layer, digits := neuronLayer(id); digits {
		if layer >= c.layers {
			return entry{}, invalid("Source %s is out of range: layer %s is out of the %d layers of this model (0-%d)", id, id, c.layers, c.layers-1)
		}
		return entry{id: id, layer: layer}, nil
	}
	row, err := c.released(id)
	if err != nil {
		return entry{}, err
	}
	if !c.any {
		return entry{}, invalid("Source %s is released for this model but not configured here: "+
			"add its set %s to SAE_SETS, or start the server with --any-source", id, row.Set)
	}
	return entry{id: id, row: row, layer: -1}, nil
}

func (c *catalogue) released(id string) (sae.Row, error) {
	if c.registry != nil && c.model != "" {
		row, err := c.registry.Lookup(c.model, id)
		if err == nil {
			return row, nil
		}
		var unknown *sae.UnknownSourceError
		if errors.As(err, &unknown) {
			if len(unknown.Suggestions) == 0 {
				unknown.Suggestions = c.similar(id)
			}
			refused := invalid("Found 0 entries when searching for %s/%s%s", unknown.Model, id, suggest.DidYouMeanOneOf(unknown.Suggestions))
			refused.Cause = errUnknownSource
			return row, refused
		}
		return row, err
	}
	refused := invalid("Found 0 entries when searching for source %s%s", pyrepr.Quote(id), suggest.DidYouMeanOneOf(c.similar(id)))
	refused.Cause = errUnknownSource
	return sae.Row{}, refused
}

// similar returns what can be named here and looks like id; the registry does not know local sources.
func (c *catalogue) similar(id string) []string {
	return suggest.Similar(id, slices.Sorted(maps.Keys(c.byID)))
}

// errUnknownSource is the cause of a lookup that finds nothing, released or not.
var errUnknownSource = errors.New("no such source")

// neuronLayer reads the id of a neuron source, a layer number.
func neuronLayer(id string) (layer int, digits bool) {
	if id == "" || strings.Trim(id, "0123456789") != "" || (len(id) > 1 && id[0] == '0') {
		return 0, false
	}
	layer, err := strconv.Atoi(id)
	if err != nil { // more digits than any number of layers
		return 1 << 30, true
	}
	return layer, true
}

// set lists the sources of a configured set, or the neurons of every layer.
func (c *catalogue) set(name string) ([]string, bool) {
	if name == neuronsSet {
		ids := make([]string, c.layers)
		for layer := range ids {
			ids[layer] = strconv.Itoa(layer)
		}
		return ids, true
	}
	for _, set := range c.sets {
		if set.Name == name {
			return idsOf(set), true
		}
	}
	return nil, false
}

func idsOf(set sae.Set) []string {
	ids := make([]string, len(set.Sources))
	for i, row := range set.Sources {
		ids[i] = row.Source
	}
	return ids
}

// first lists the ids of the first configured sources, at most so many.
func (c *catalogue) first(most int) []string {
	var ids []string
	for _, set := range c.sets {
		ids = append(ids, idsOf(set)...)
	}
	return ids[:min(most, len(ids))]
}

// setNames lists the configured sets in order.
func (c *catalogue) setNames() []string {
	names := make([]string, len(c.sets))
	for i, set := range c.sets {
		names[i] = set.Name
	}
	return names
}
