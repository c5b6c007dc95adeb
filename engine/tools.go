package engine

import (
	"context"
	"fmt"
	"strings"

	"npinf/hub"
	"npinf/tokenizer"
)

// AvailableMemory is the memory this machine or container can still give, in bytes; 0 where
// that cannot be told.
func AvailableMemory() int64 { return availableMemory("/") }

// Summary describes the loaded model in one line, for a start banner.
func (e *Engine) Summary() string {
	w := e.world.Load()
	if w == nil {
		return e.modelName() + " (not loaded)"
	}
	dtype := w.dtype
	if dtype == int8DType {
		dtype = fmt.Sprintf("weights rounded to int8 (stored as %s)", w.info.StoredDType)
	}
	return fmt.Sprintf("%s: %s, %d layers, width %d, %s parameters, %s", e.modelName(), w.info.Family, w.info.Layers, w.info.Width,
		count(w.info.ParameterCount), dtype)
}

// count writes a large number the way models are named, as in 124 M.
func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f B", float64(n)/1e9)
	case n >= 1e7:
		return fmt.Sprintf("%.0f M", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f M", float64(n)/1e6)
}

// String says what will be downloaded and how much memory that takes.
func (r Requirements) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%s): %s to download, %s of memory", r.Model, r.Family, hub.BytesText(r.DownloadBytes), hub.BytesText(r.WeightBytes))
	if r.Sources > 0 {
		fmt.Fprintf(&out, "; %d sources: %s to download, at most %s of memory", r.Sources, hub.BytesText(r.SourceDownloadBytes), hub.BytesText(r.SourceBytes))
	}
	if r.MemoryBytes > 0 {
		fmt.Fprintf(&out, "; %s available here", hub.BytesText(r.MemoryBytes))
	}
	return out.String()
}

// Fetch makes the files of the model, of every configured source and of the Jacobian lens
// local and verified, without loading them.
func (e *Engine) Fetch(ctx context.Context) error {
	return e.planned(ctx, func(w *world, files hub.Snapshot) error {
		need, err := e.require(ctx, files)
		if err != nil {
			return err
		}
		if err := files.Fetch(ctx, need.Files); err != nil {
			return err
		}
		if err := e.fetchSources(ctx, w); err != nil {
			return err
		}
		return e.fetchLens(ctx)
	})
}

// fetchSources fetches repository by repository, so that small files share a connection.
func (e *Engine) fetchSources(ctx context.Context, w *world) error {
	var order []hub.Snapshot
	paths := map[hub.Snapshot][]string{}
	err := w.eachSource(ctx, len(w.catalogue.byID), func(files hub.Snapshot, more []string) error {
		if _, known := paths[files]; !known {
			order = append(order, files)
		}
		paths[files] = append(paths[files], more...)
		return nil
	})
	if err != nil {
		return err
	}
	for _, files := range order {
		if err := files.Fetch(ctx, paths[files]); err != nil {
			return err
		}
	}
	return nil
}

// TokenizeOnly gives the tokens of a text with the configured model's tokenizer alone: no
// weights are downloaded or loaded and no limit applies.
func (e *Engine) TokenizeOnly(ctx context.Context, text string, prependBOS bool) (Tokenized, error) {
	w := &world{hub: e.config.Hub, repositories: map[string]hub.Snapshot{}}
	defer w.close()
	files, err := e.open(ctx, w)
	if err != nil {
		return Tokenized{}, err
	}
	var wanted []string
	for _, file := range wantedOf(tokenizerFiles(new(tokenizer.Files)), files.Has) {
		wanted = append(wanted, file.path)
	}
	if err := files.Fetch(ctx, wanted); err != nil && hub.KindOf(err) != hub.NoSpace && hub.KindOf(err) != hub.Unwritable {
		return Tokenized{}, err
	}
	loaded, releases, err := readTokenizer(ctx, files)
	defer func() {
		for _, release := range releases {
			release()
		}
	}()
	if err != nil {
		return Tokenized{}, err
	}
	w.tokenizer = loaded
	ids := loaded.Prompt(text, prependBOS)
	return Tokenized{IDs: ids, Strings: w.tokenStrings(ids), PrependBOS: prependBOS && w.startsWithBOS(ids)}, nil
}
