package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Plan says what making files local would take.
type Plan struct {
	Repo     string
	Total    int64 // bytes of the files
	Cached   int64 // of those, already here, parts of unfinished downloads included
	Download int64 // of those, still to come
	Free     int64 // bytes free where the cache lies; -1 where the system does not say

	misfit error
}

// Fits is nil if the disk has room for the download, or if it is not meant for the disk; else an error with the numbers.
func (p Plan) Fits() error { return p.misfit }

// Plan adds up the paths of a snapshot; one that it has not is an error.
func (c *Client) Plan(snapshot Snapshot, paths []string) (Plan, error) {
	plan := Plan{Repo: snapshot.Name(), Free: c.FreeBytes()}
	measure := measureLocal(snapshot)
	if remote, ok := snapshot.(*remote); ok {
		measure = remote.measure
	}
	counted := map[string]bool{}
	for _, path := range paths {
		size, have, ok := measure(path)
		if !ok {
			return Plan{}, c.newError(EntryNotFound, subject{repo: snapshot.Name(), revision: snapshot.Commit(), path: path}, "")
		}
		if !counted[path] {
			counted[path] = true
			plan.Total, plan.Cached = plan.Total+size, plan.Cached+have
		}
	}
	plan.Download = plan.Total - plan.Cached
	if !c.config.Stream && plan.Download > 0 {
		plan.misfit = c.fits(subject{repo: snapshot.Name()}, plan.Download)
	}
	return plan, nil
}

// measure gives the size of a file and how much of it is here.
func (r *remote) measure(path string) (size, have int64, ok bool) {
	file, ok := r.files[path]
	if !ok {
		return 0, 0, false
	}
	if _, _, cached := r.client.cache.find(r.repo, r.commit, file); cached {
		return file.size, file.size, true
	}
	return file.size, partialBytes(r.client.cache.blob(r.repo, file.etag()), file, r.client.config.PieceBytes), true
}

// measureLocal is measure for snapshots that are here completely.
func measureLocal(snapshot Snapshot) func(path string) (size, have int64, ok bool) {
	sizes := map[string]int64{}
	for _, file := range snapshot.Files() {
		sizes[file.Path] = file.Size
	}
	return func(path string) (size, have int64, ok bool) {
		size, ok = sizes[path]
		return size, size, ok
	}
}

// fits reports a disk without room for so many bytes. A disk that does not tell passes: writing will show.
func (c *Client) fits(about subject, bytes int64) error {
	if free := c.FreeBytes(); free >= 0 && free < bytes {
		return c.newError(NoSpace, about, fmt.Sprintf("%s needed, %s free in %s", BytesText(bytes), BytesText(free), c.cache.dir))
	}
	return nil
}

// FreeBytes is the room left in the cache folder, or where it will be made; -1 where the
// system does not say.
func (c *Client) FreeBytes() int64 {
	for folder := c.cache.dir; ; folder = filepath.Dir(folder) {
		free, err := freeDisk(folder)
		if err == nil {
			return free
		}
		if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			return -1
		}
	}
}

// BytesText writes a count of bytes for people, in decimal units, as disks and the hub do.
func BytesText(count int64) string {
	if count < 1000 {
		return fmt.Sprintf("%d B", count)
	}
	value, unit := float64(count)/1000, 0
	for value >= 999.95 && unit < 4 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[unit])
}
