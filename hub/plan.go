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
	plan := Plan{Repo: snapshot.Name(), Free: c.freeBytes()}
	remote, _ := snapshot.(*remote)
	known := map[string]FileInfo{}
	for _, file := range snapshot.Files() {
		known[file.Path] = file
	}
	counted := map[string]bool{}
	for _, path := range paths {
		file, ok := known[path]
		if !ok {
			return Plan{}, c.newError(EntryNotFound, subject{repo: snapshot.Name(), revision: snapshot.Commit(), path: path}, "")
		}
		if counted[path] {
			continue
		}
		counted[path] = true
		have := file.Size
		if !file.Cached && remote != nil {
			entry := remote.files[path]
			have = partialBytes(c.cache.blob(remote.repo, entry.etag()), entry, c.config.PieceBytes)
		}
		plan.Total, plan.Cached = plan.Total+file.Size, plan.Cached+have
	}
	plan.Download = plan.Total - plan.Cached
	if !c.config.Stream && plan.Download > 0 {
		plan.misfit = c.fits(subject{repo: snapshot.Name()}, plan.Download)
	}
	return plan, nil
}

// fits reports a disk without room for so many bytes. A disk that does not tell passes: writing will show.
func (c *Client) fits(about subject, bytes int64) error {
	if free := c.freeBytes(); free >= 0 && free < bytes {
		return c.newError(NoSpace, about, fmt.Sprintf("%s needed, %s free in %s", bytesText(bytes), bytesText(free), c.cache.dir))
	}
	return nil
}

// freeBytes looks at the cache folder, or where it will be made; -1 if unknown.
func (c *Client) freeBytes() int64 {
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

// bytesText writes a count of bytes in decimal units, as disks and the hub do.
func bytesText(count int64) string {
	if count < 1000 {
		return fmt.Sprintf("%d B", count)
	}
	value, unit := float64(count)/1000, 0
	for value >= 999.95 && unit < 4 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[unit])
}
