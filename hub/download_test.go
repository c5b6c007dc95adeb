package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"npinf/internal/hubtest"
)

// TestFaults downloads everything past each fault and counts what had to be sent again.
func TestFaults(t *testing.T) {
	size := int64(len(modelFiles()[bigFile]))
	for _, test := range []struct {
		name    string
		prepare func(*hubtest.Hub, *Config)
		resent  int64 // bytes of the large file sent beyond its size: -1 for any number
	}{
		{"nothing wrong", func(*hubtest.Hub, *Config) {}, 0},
		{"cut once", inject(1, hubtest.Cut(1000)), 0},
		{"cut again and again", inject(40, hubtest.Cut(10_001)), 0},
		{"cut at once", inject(3, hubtest.Cut(0)), 0},
		{"stall", func(h *hubtest.Hub, c *Config) {
			c.StallTimeout = 100 * time.Millisecond
			inject(2, hubtest.Stall(20_000))(h, c)
		}, 0},
		{"content too long", inject(1, hubtest.Longer(100)), 0},
		{"content too short", inject(3, hubtest.Longer(-100)), 0},
		{"one byte wrong once", inject(1, hubtest.Flip(2*testPiece+17)), -1},
		{"ranges ignored", inject(0, hubtest.IgnoreRange()), 0},
		{"ranges ignored from the second on", func(h *hubtest.Hub, c *Config) {
			inject(1, hubtest.Slow(1<<20, 0))(h, c)
			inject(0, hubtest.IgnoreRange())(h, c)
		}, -1},
		{"ranges ignored and cut", func(h *hubtest.Hub, c *Config) {
			inject(3, hubtest.All(hubtest.IgnoreRange(), hubtest.Cut(3*testPiece+5)))(h, c)
			inject(0, hubtest.IgnoreRange())(h, c)
		}, 3 * (3*testPiece + 5)},
		{"links good once", func(h *hubtest.Hub, _ *Config) { h.ExpireLinks(1) }, 0},
		{"links good thrice", func(h *hubtest.Hub, _ *Config) { h.ExpireLinks(3) }, 0},
		{"file server busy", inject(3, hubtest.RateLimit("1")), 0},
		{"file server down", inject(4, hubtest.Status(503, nil, "")), 0},
		{"file server forbids", inject(2, hubtest.Status(403, nil, "<Error/>")), 0},
		{"range refused once", inject(1, hubtest.Status(416, nil, "")), -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			hub, files, config := setup(t)
			test.prepare(hub, &config)
			snapshot := open(t, config, "main")
			fetchAll(t, snapshot, files)
			checkRead(t, snapshot, files)
			if sent := hub.Served(testRepo, bigFile) - size; test.resent >= 0 && sent > test.resent {
				t.Errorf("%d bytes were sent again", sent)
			}
			if left := leftovers(t, config.CacheDir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func inject(times int, effect hubtest.Effect) func(*hubtest.Hub, *Config) {
	return func(h *hubtest.Hub, _ *Config) {
		h.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Times: times, Do: effect})
	}
}

func TestDamageIsNeverStored(t *testing.T) {
	for _, path := range []string{bigFile, "config.json"} {
		for _, stream := range []bool{false, true} {
			hub, files, config := setup(t)
			config.Stream = stream
			snapshot := open(t, config, "main")
			hub.Inject(hubtest.Fault{On: hubtest.Content, Path: path, Do: hubtest.Flip(5)})
			_, _, err := snapshot.Read(t.Context(), path)
			checkKind(t, err, Corrupt)
			for _, file := range snapshot.Files() {
				if file.Cached {
					t.Errorf("%s is cached", file.Path)
				}
			}
			if left := leftovers(t, config.CacheDir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
			hub.Forget()
			checkRead(t, snapshot, files)
		}
	}
}

func TestAWrongSizeInTheListIsDamage(t *testing.T) {
	hub, files, config := setup(t)
	file := hubtest.File{Path: bigFile, Content: files[bigFile]}
	for _, size := range []int{len(file.Content) - 1, len(file.Content) + 1, 0} {
		hub.Forget()
		hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/tree/", Do: hubtest.Status(200, nil, fmt.Sprintf(
			`[{"type":"file","path":%q,"size":%d,"oid":%q,"lfs":{"oid":%q,"size":%d}}]`, bigFile, size, file.SHA1(), file.SHA256(), size))})
		config.CacheDir = t.TempDir()
		_, _, err := open(t, config, "main").Read(t.Context(), bigFile)
		checkKind(t, err, Corrupt)
	}
}

// TestResume stops a download by cutting every connection, and goes on in a new client with exactly what is missing.
func TestResume(t *testing.T) {
	hub, files, config := setup(t)
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Times: 2, Do: hubtest.Slow(1<<20, 0)})
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Do: hubtest.Cut(0)})
	err := open(t, config, "main").Fetch(t.Context(), []string{bigFile})
	checkKind(t, err, Network)

	size := int64(len(files[bigFile]))
	client := NewClient(config)
	snapshot, err := client.Snapshot(t.Context(), testRepo, "main")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := client.Plan(snapshot, []string{bigFile, bigFile, "config.json"})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Cached != 2*testPiece || plan.Total != size+int64(len(files["config.json"])) || plan.Download != plan.Total-plan.Cached || plan.Fits() != nil {
		t.Errorf("plan: %+v", plan)
	}
	hub.Forget()
	fetchAll(t, snapshot, files)
	checkRead(t, snapshot, files)
	if sent := hub.Served(testRepo, bigFile); sent != size-2*testPiece {
		t.Errorf("%d bytes were sent, want %d", sent, size-2*testPiece)
	}
}

func TestPartialOfOtherContentIsNotTrusted(t *testing.T) {
	hub, files, config := setup(t)
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Times: 1, Do: hubtest.Slow(1<<20, 0)})
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Do: hubtest.Cut(0)})
	snapshot := open(t, config, "main")
	checkKind(t, snapshot.Fetch(t.Context(), []string{bigFile}), Network)
	for _, path := range leftovers(t, config.CacheDir) {
		if strings.HasSuffix(path, recordSuffix) { // as after a power cut: the record made it to the disk, the bytes did not
			record, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(record[len(record)-8:], record[len(record)-8*21:])
			record[len(record)-8*3+1] = 9
			if err := os.WriteFile(path, record, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	hub.Forget()
	checkRead(t, snapshot, files)
}

func TestStream(t *testing.T) {
	hub, files, config := setup(t)
	config.Stream = true
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Times: 5, Do: hubtest.Cut(9999)})
	hub.Inject(hubtest.Fault{On: hubtest.Content, Path: bigFile, Times: 1, Do: hubtest.Flip(1)})
	snapshot := open(t, config, "main")
	fetchAll(t, snapshot, files)
	checkRead(t, snapshot, files)
	if _, err := os.Stat(config.CacheDir); err == nil {
		t.Error("streaming wrote into the cache")
	}
	config.CacheDir = ""
	checkRead(t, open(t, config, "main"), files)
}

func TestUnwritableCache(t *testing.T) {
	_, files, config := setup(t)
	config.CacheDir = filepath.Join(t.TempDir(), "file", "cache")
	if err := os.WriteFile(filepath.Dir(config.CacheDir), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	config.Logger = log.logger()
	snapshot := open(t, config, "main")
	checkRead(t, snapshot, files)
	err := snapshot.Fetch(t.Context(), paths(files))
	checkKind(t, err, Unwritable)
	if err == nil || !strings.Contains(err.Error(), "HF_HUB_CACHE") || !strings.Contains(log.String(), "into memory") {
		t.Errorf("error: %v\nlog: %s", err, log)
	}
}

func TestDiskTooSmall(t *testing.T) {
	hub, _, config := setup(t)
	hub.Inject(hubtest.Fault{On: hubtest.API, Path: "/tree/", Do: hubtest.Status(200, nil, fmt.Sprintf(
		`[{"type":"file","path":"x.bin","size":%d,"oid":%q}]`, int64(maxFile), strings.Repeat("a", 40)))})
	client := NewClient(config)
	snapshot, err := client.Snapshot(t.Context(), testRepo, "main")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := client.Plan(snapshot, []string{"x.bin"})
	if err != nil {
		t.Fatal(err)
	}
	if plan.Free > maxFile {
		t.Skip("this disk is not too small")
	}
	checkKind(t, plan.Fits(), NoSpace)
	if !strings.Contains(plan.Fits().Error(), "8.8 TB needed") {
		t.Error(plan.Fits())
	}
	checkKind(t, snapshot.Fetch(t.Context(), []string{"x.bin"}), NoSpace)
	if _, _, err = snapshot.Read(t.Context(), "x.bin"); err == nil {
		t.Error("read what neither the disk nor the memory holds")
	}
	_, err = client.Plan(snapshot, []string{"y"})
	checkKind(t, err, EntryNotFound)
}
