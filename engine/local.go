package engine

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"npinf/hub"
	"npinf/sae"
)

// localSources are the sources outside the registry: those of the demo, when that is what
// is served, and those the operator named. Snapshots that had to be opened close with w.
func (e *Engine) localSources(ctx context.Context, w *world) ([]LocalSource, error) {
	var locals []LocalSource
	config := e.effective()
	if config.weightsID() == "" {
		locals = append(locals, e.config.DemoSources...)
	}
	places := map[string]string{} // by source
	for _, place := range e.config.SourceFolders {
		found, err := e.openSources(ctx, w, place)
		if err != nil {
			return nil, err
		}
		for _, source := range found {
			id := source.Row.Source
			if other, twice := places[id]; twice {
				return nil, fmt.Errorf("%s and %s both hold a source %s; leave out one, or give one another neuronpedia_id in its cfg.json", other, place, id)
			}
			places[id] = place
		}
		locals = append(locals, found...)
	}
	return locals, nil
}

// hubPrefix marks a place of sources on the hub: hf:owner/repo[/path][@revision].
const hubPrefix = "hf:"

// openSources opens the sources in a place and below it: a folder, or a place on the hub.
// Their dialects are told by their files, and each is served under its own id.
func (e *Engine) openSources(ctx context.Context, w *world, place string) ([]LocalSource, error) {
	if strings.HasPrefix(place, hubPrefix) {
		return e.openHubSources(ctx, w, place)
	}
	return e.openSourceFolder(ctx, place)
}

// parseHubPlace takes hf:owner/repo[/path][@revision] apart.
func parseHubPlace(place string) (repo, below, revision string, err error) {
	rest := strings.TrimPrefix(place, hubPrefix)
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if rest, revision = rest[:at], rest[at+1:]; revision == "" {
			return "", "", "", fmt.Errorf("%s names no revision behind the @; leave out the @ for the main branch", place)
		}
	}
	parts := strings.SplitN(strings.Trim(rest, "/"), "/", 3)
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", "", "", fmt.Errorf("%s names no repository; write hf:owner/repo, hf:owner/repo/path or hf:owner/repo/path@revision", place)
	}
	if len(parts) == 3 {
		below = path.Clean(parts[2])
	}
	return parts[0] + "/" + parts[1], below, revision, nil
}

func (e *Engine) openHubSources(ctx context.Context, w *world, place string) ([]LocalSource, error) {
	repo, below, revision, err := parseHubPlace(place)
	if err != nil {
		return nil, err
	}
	if e.config.Hub == nil {
		return nil, fmt.Errorf("sources of %s need a hub to come from: configure one", place)
	}
	files, err := e.config.Hub.Open(ctx, repo, revision)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, files.Close)
	found, err := sae.Discover(ctx, e.config.Registry, sae.Listing{Files: files, Paths: pathsOf(files, ""), Name: repo, Below: below, Fetch: files.Fetch})
	if err != nil {
		return nil, err
	}
	return e.offered(files, place, found), nil
}

// mostParents is how far above a folder the names are looked for that some dialects need:
// gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71 has all of them.
const mostParents = 4

// openSourceFolder opens a folder. Where its own name does not tell enough for its dialect,
// the folders above are tried as the repository.
func (e *Engine) openSourceFolder(ctx context.Context, folder string) ([]LocalSource, error) {
	absolute, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	inside, err := hub.OpenFolder(absolute)
	if err != nil {
		return nil, err
	}
	var first error
	root, below := absolute, ""
	for range mostParents + 1 {
		files, err := hub.OpenFolder(root)
		if err != nil {
			break // a parent that may not be read
		}
		found, err := sae.Discover(ctx, e.config.Registry, sae.Listing{Files: files, Paths: pathsOf(inside, below), Name: filepath.ToSlash(root), Below: below})
		if err == nil {
			return e.offered(files, folder, found), nil
		}
		if first == nil {
			first = err
		}
		if len(found.Rows) > 0 || len(found.Skipped) == 0 || filepath.Dir(root) == root {
			break
		}
		below = path.Join(filepath.Base(root), below)
		root = filepath.Dir(root)
	}
	return nil, first
}

// pathsOf lists the files of a snapshot as they are called from a folder above it.
func pathsOf(files hub.Snapshot, below string) []string {
	var paths []string
	for _, file := range files.Files() {
		paths = append(paths, path.Join(below, file.Path))
	}
	return paths
}

// offered says what was left out and makes sources of the rest.
func (e *Engine) offered(files hub.Snapshot, place string, found sae.Found) []LocalSource {
	for _, skipped := range found.Skipped {
		e.config.Logger.Warn("not a source that can be read", "place", place, "because", skipped)
	}
	locals := make([]LocalSource, len(found.Rows))
	for i, row := range found.Rows {
		locals[i] = LocalSource{Files: files, Row: row}
	}
	return locals
}
