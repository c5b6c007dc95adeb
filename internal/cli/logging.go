package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// newLogger logs to stderr: text for a terminal, JSON lines otherwise. With a home folder
// everything is also kept in logs/server.log there. Close the returned closer at the end.
func newLogger(w *World, home string, verbose bool) (*slog.Logger, io.Closer, error) {
	options := &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: durationText}
	if verbose {
		options.Level = slog.LevelDebug
	}
	var file io.WriteCloser = nopCloser{io.Discard}
	out := w.Stderr
	if home != "" {
		rotating, err := openLog(filepath.Join(home, "logs"))
		if err != nil {
			return nil, nil, fmt.Errorf("HOME_DIR: %w", err)
		}
		file, out = rotating, io.MultiWriter(w.Stderr, rotating)
	}
	if terminal(w.Stderr) {
		return slog.New(slog.NewTextHandler(out, options)), file, nil
	}
	return slog.New(slog.NewJSONHandler(out, options)), file, nil
}

// durationText gives durations their unit: JSON would hold a bare number of nanoseconds.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

type nopCloser struct{ io.Writer }

// Close does nothing.
func (nopCloser) Close() error { return nil }

// Log files are cut at 10 MiB and five old ones are kept.
const (
	logBytes = 10 << 20
	logFiles = 5
)

// rotatingLog is a log file that renames itself away when it is full.
type rotatingLog struct {
	mu   sync.Mutex
	path string
	file *os.File
	size int64
}

func openLog(folder string) (*rotatingLog, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	l := &rotatingLog{path: filepath.Join(folder, "server.log")}
	return l, l.open()
}

func (l *rotatingLog) open() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	l.file, l.size = file, info.Size()
	return nil
}

// Write appends one record.
func (l *rotatingLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(p)) > logBytes && l.size > 0 {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

func (l *rotatingLog) rotate() error {
	l.file.Close()
	for i := logFiles - 1; i >= 1; i-- {
		os.Rename(fmt.Sprintf("%s.%d", l.path, i), fmt.Sprintf("%s.%d", l.path, i+1))
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	return l.open()
}

// Close closes the file.
func (l *rotatingLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
