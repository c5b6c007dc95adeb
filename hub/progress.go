package hub

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Reporter is told how downloads go, from several goroutines. Names are owner/name/path. Every Started is followed by
// one Finished; a download that starts over has both twice.
type Reporter interface {
	// Started says that a file of size bytes begins, of which have are here already.
	Started(name string, size, have int64)
	// Received says that so many more bytes arrived.
	Received(name string, bytes int64)
	// Finished says that the file is complete and verified, or why it is not.
	Finished(name string, err error)
}

type silent struct{}

// Started implements Reporter.
func (silent) Started(string, int64, int64) {}

// Received implements Reporter.
func (silent) Received(string, int64) {}

// Finished implements Reporter.
func (silent) Finished(string, error) {}

const (
	barInterval = 100 * time.Millisecond
	barWidth    = 24
)

// NewProgress reports to w: one bar that redraws itself if w is a terminal, else a line when a file starts and ends and
// after every tenth of it in between.
func NewProgress(w io.Writer, terminal bool) Reporter {
	return &progress{w: w, terminal: terminal, now: time.Now, active: map[string]*download{}}
}

// download is one file in progress.
type download struct {
	size, had, have int64
	began           time.Time
}

func (d *download) percent() int64 {
	if d.size == 0 {
		return 100
	}
	return int64(float64(d.have) / float64(d.size) * 100)
}

// speed is in bytes per second; bytes of earlier runs do not count.
func (d *download) speed(now time.Time) float64 {
	return float64(d.have-d.had) / max(now.Sub(d.began).Seconds(), 0.001)
}

type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	mu     sync.Mutex
	active map[string]*download
	drawn  time.Time // of the bar, zero if the line is empty
}

// Started implements Reporter.
func (p *progress) Started(name string, size, have int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active[name] = &download{size: size, had: have, have: have, began: p.now()}
	switch {
	case p.terminal:
		p.draw()
	case have > 0:
		fmt.Fprintf(p.w, "downloading %s: %s, %s of it already here\n", name, BytesText(size), BytesText(have))
	default:
		fmt.Fprintf(p.w, "downloading %s: %s\n", name, BytesText(size))
	}
}

// Received implements Reporter.
func (p *progress) Received(name string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	file := p.active[name]
	if file == nil {
		return
	}
	before := file.percent() / 10
	file.have += bytes
	if p.terminal {
		if p.now().Sub(p.drawn) >= barInterval {
			p.draw()
		}
	} else if tenth := file.percent() / 10; tenth > before && tenth < 10 {
		fmt.Fprintf(p.w, "downloading %s: %d %% (%s)\n", name, 10*tenth, BytesText(file.have))
	}
}

// Finished implements Reporter.
func (p *progress) Finished(name string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	file := p.active[name]
	if file == nil {
		return
	}
	delete(p.active, name)
	if !p.drawn.IsZero() {
		io.WriteString(p.w, clearLine)
		p.drawn = time.Time{}
	}
	if err != nil {
		fmt.Fprintf(p.w, "stopped %s: %s of %s are here\n", name, BytesText(file.have), BytesText(file.size))
	} else {
		now := p.now()
		fmt.Fprintf(p.w, "downloaded %s: %s in %s, %s/s\n", name, BytesText(file.size),
			now.Sub(file.began).Round(100*time.Millisecond), BytesText(int64(file.speed(now))))
	}
	if p.terminal && len(p.active) > 0 {
		p.draw()
	}
}

const clearLine = "\r\x1b[K"

// draw shows all files in progress as one bar.
func (p *progress) draw() {
	now := p.now()
	var all download
	var speed float64
	name := ""
	for candidate, file := range p.active {
		all.size, all.have = all.size+file.size, all.have+file.have
		speed += file.speed(now)
		if name == "" || candidate < name {
			name = candidate
		}
	}
	if len(p.active) > 1 {
		name = fmt.Sprintf("%d files", len(p.active))
	}
	filled := min(barWidth, int(barWidth*all.percent()/100))
	line := fmt.Sprintf("%s [%s%s] %3d %% of %s, %s/s", name, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled),
		all.percent(), BytesText(all.size), BytesText(int64(speed)))
	if speed >= 1 {
		line += ", " + time.Duration(float64(all.size-all.have)/speed*float64(time.Second)).Round(time.Second).String() + " left"
	}
	io.WriteString(p.w, clearLine+line)
	p.drawn = now
}
