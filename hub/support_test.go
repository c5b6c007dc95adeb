package hub

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"npinf/internal/hubtest"
)

const (
	testRepo  = "org/model.v1"
	testPiece = 64 << 10
	bigFile   = "model.safetensors"
)

// content is size bytes that do not repeat, so that a piece in the wrong place shows.
func content(size int) []byte {
	random := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	data := make([]byte, size)
	random.Read(data)
	return data
}

// modelFiles is a small repository: git files, one of them empty and one in folders, and a large file of many pieces.
func modelFiles() map[string][]byte {
	return map[string][]byte{
		"config.json":                []byte(`{"model_type":"test"}`),
		"empty.txt":                  {},
		"layers/7/width 16k/cfg.yml": []byte("d_sae: 16384\n"),
		"layers/7/params.npz":        content(3*testPiece + 1),
		bigFile:                      content(20*testPiece + 12345),
	}
}

// clock is a sleeper that takes no time and remembers what was asked of it.
type clock struct {
	mu    sync.Mutex
	slept []time.Duration
}

func (c *clock) sleep(ctx context.Context, wait time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slept = append(c.slept, wait)
	return ctx.Err()
}

func testConfig(hub *hubtest.Hub, cacheDir string) Config {
	return Config{Endpoint: hub.URL, CacheDir: cacheDir, PieceBytes: testPiece, Parallel: 4, Sleep: new(clock).sleep,
		MetadataTimeout: 5 * time.Second, StallTimeout: 5 * time.Second}
}

// setup is a hub with the model on it and a configuration with an empty cache.
func setup(t *testing.T) (*hubtest.Hub, map[string][]byte, Config) {
	t.Helper()
	hub, files := hubtest.New(t), modelFiles()
	hub.AddRepo(testRepo, files)
	return hub, files, testConfig(hub, filepath.Join(t.TempDir(), "cache"))
}

func open(t *testing.T, config Config, revision string) Snapshot {
	t.Helper()
	snapshot, err := NewClient(config).Snapshot(t.Context(), testRepo, revision)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

func paths(files map[string][]byte) []string {
	var list []string
	for path := range files {
		list = append(list, path)
	}
	return list
}

func fetchAll(t *testing.T, snapshot Snapshot, files map[string][]byte) {
	t.Helper()
	if err := snapshot.Fetch(t.Context(), paths(files)); err != nil {
		t.Fatal(err)
	}
}

// checkRead reads every file and compares it.
func checkRead(t *testing.T, snapshot Snapshot, files map[string][]byte) {
	t.Helper()
	for path, want := range files {
		data, release, err := snapshot.Read(t.Context(), path)
		if err != nil {
			t.Errorf("Read(%s): %v", path, err)
			continue
		}
		if !bytes.Equal(data, want) {
			t.Errorf("Read(%s): %d bytes that differ from the %d wanted", path, len(data), len(want))
		}
		release()
		release()
	}
}

func checkKind(t *testing.T, err error, want Kind) {
	t.Helper()
	if KindOf(err) != want {
		t.Errorf("error of kind %q, want %q: %v", KindOf(err), want, err)
	}
}

// leftovers lists files of unfinished work in a cache.
func leftovers(t *testing.T, cacheDir string) []string {
	t.Helper()
	var found []string
	walkFiles(cacheDir, func(path string, _ os.FileInfo) {
		if strings.Contains(path, ".npinf.") || strings.HasSuffix(path, ".tmp") {
			found = append(found, path)
		}
	})
	return found
}

// logBuffer is a logger's output that several goroutines may write to.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
