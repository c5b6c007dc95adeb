package hub

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// newTestProgress has a clock that moves a second whenever it is looked at.
func newTestProgress(text *strings.Builder, terminal bool) Reporter {
	now := time.Unix(0, 0)
	shown := NewProgress(text, terminal).(*progress)
	shown.now = func() time.Time {
		now = now.Add(time.Second)
		return now
	}
	return shown
}

func TestProgressLines(t *testing.T) {
	var text strings.Builder
	p := newTestProgress(&text, false)
	p.Started("a/b/x", 1_000_000, 0)
	for range 100 {
		p.Received("a/b/x", 10_000)
	}
	p.Finished("a/b/x", nil)
	p.Started("a/b/y", 2000, 500)
	p.Finished("a/b/y", errors.New("cut"))
	p.Started("a/b/empty", 0, 0)
	p.Finished("a/b/empty", nil)
	p.Received("unknown", 1)
	p.Finished("unknown", nil)
	want := "downloading a/b/x: 1.0 MB\n"
	for tenth := 1; tenth < 10; tenth++ {
		want += "downloading a/b/x: " + string(rune('0'+tenth)) + "0 % (" + string(rune('0'+tenth)) + "00.0 kB)\n"
	}
	want += "downloaded a/b/x: 1.0 MB in 1s, 1.0 MB/s\n" +
		"downloading a/b/y: 2.0 kB, 500 B of it already here\n" +
		"stopped a/b/y: 500 B of 2.0 kB are here\n" +
		"downloading a/b/empty: 0 B\n" +
		"downloaded a/b/empty: 0 B in 1s, 0 B/s\n"
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

func TestProgressBar(t *testing.T) {
	var text strings.Builder
	p := newTestProgress(&text, true)
	p.Started("a/b/x", 1000, 0)
	p.Received("a/b/x", 500)
	p.Started("a/b/y", 1000, 0)
	p.Finished("a/b/y", nil)
	p.Finished("a/b/x", nil)
	for _, part := range []string{
		"\r\x1b[Ka/b/x [........................]   0 % of 1.0 kB, 0 B/s",
		"\r\x1b[Ka/b/x [############............]  50 % of 1.0 kB, 166 B/s, 3s left",
		"\r\x1b[K2 files [######..................]  25 % of 2.0 kB",
		"\r\x1b[Kdownloaded a/b/y: 1.0 kB in ",
	} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("%q is missing in %q", part, text.String())
		}
	}
	if !strings.HasSuffix(text.String(), "/s\n") {
		t.Errorf("the bar stays behind: %q", text.String())
	}
}

func TestBytesText(t *testing.T) {
	for count, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		5_228_717_512: "5.2 GB", 1 << 62: "4611.7 PB"} {
		if got := BytesText(count); got != want {
			t.Errorf("BytesText(%d) = %q, want %q", count, got, want)
		}
	}
}
