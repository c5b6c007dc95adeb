package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"npinf/engine"
	"npinf/hub"
	"npinf/kernels"
)

// report is what doctor found out.
type report struct {
	Version       string   `json:"version"`
	Platform      string   `json:"platform"`
	CPUPath       string   `json:"cpu_path"`
	CPUPaths      []string `json:"cpu_paths"`
	FastBF16      bool     `json:"fast_bf16"`
	HasFastBF16   bool     `json:"fast_bf16_possible"`
	Threads       int      `json:"threads"`
	MemoryBytes   int64    `json:"memory_available_bytes"`
	Token         string   `json:"token"`
	Secret        bool     `json:"secret"`
	Sentry        bool     `json:"sentry"`
	Cache         string   `json:"cache"`
	CacheBytes    int64    `json:"cache_bytes"`
	CacheRepos    int      `json:"cache_repositories"`
	DiskFreeBytes int64    `json:"disk_free_bytes"`
	Hub           string   `json:"hub"`
	Model         string   `json:"model,omitempty"`
	Needs         string   `json:"needs,omitempty"`
	Problem       string   `json:"problem,omitempty"`

	Requirements *modelReport `json:"requirements,omitempty"`
}

func runDoctor(ctx context.Context, w *World, args []string) error {
	f := newFlags("doctor", "[MODEL] [flags]", `
Checks what npinf will meet on this machine: the CPU path, threads and memory, where the Hugging Face
token comes from (it is not shown), the cache and whether the hub can be reached. With MODEL also what it
takes (weights, keys and values of a token, sources) and what fits. Exits 1 when the model cannot be served here.`)
	s, warnings, err := configure(w, f, args)
	if err != nil {
		return err
	}
	sourceFlags(f, s)
	asJSON := f.Bool("json", false, "print JSON")
	offline := f.Bool("offline", false, "do not try to reach the hub")
	rest, err := f.parse(w, args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usagef("doctor takes one model, got %q", rest)
	}
	model := strings.Join(rest, "")
	if *offline {
		w.Environment = append(w.Environment, "HF_HUB_OFFLINE=1")
	}
	st, err := openStation(w, s, model, plainLogger(w))
	if err != nil {
		return err
	}
	defer st.close()
	r := st.examine(ctx, model)
	if *asJSON {
		encoder := json.NewEncoder(w.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	} else {
		err = r.print(w.Stdout, warnings)
	}
	if err == nil && r.Problem != "" {
		return errors.New(r.Problem)
	}
	return err
}

func (st *station) examine(ctx context.Context, model string) report {
	r := report{
		Version: version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		CPUPath: st.device.Path(), FastBF16: st.device.FastBF16(), HasFastBF16: kernels.HasFastBF16(), Threads: st.device.Threads(), MemoryBytes: engine.AvailableMemory(),
		Token: "none", Secret: st.settings.Secret != "", Sentry: st.settings.SentryDSN != "",
		Cache: st.hubSetup.CacheDir, Hub: "not asked",
	}
	for _, path := range []string{"generic", "avx2", "avx512"} {
		if kernels.HasPath(path) {
			r.CPUPaths = append(r.CPUPaths, path)
		}
	}
	if st.hubSetup.Token != "" {
		r.Token = "from " + st.hubSetup.TokenSource
	}
	if usage, err := st.hub.CacheUsage(); err == nil {
		r.CacheRepos = len(usage)
		for _, u := range usage {
			r.CacheBytes += u.Bytes
		}
	}
	r.DiskFreeBytes = st.hub.FreeBytes()
	if !st.hubSetup.Offline {
		r.Hub = st.askHub(ctx)
	}
	if model != "" {
		r.Model = model
		r.Requirements, r.Needs, r.Problem = st.examineModel(ctx)
	}
	return r
}

func (st *station) askHub(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := st.hub.Reachable(ctx); err != nil {
		return err.Error()
	}
	return "reachable"
}

func (r report) print(out io.Writer, warnings []string) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("npinf", "%s on %s", r.Version, r.Platform)
	line("cpu path", "%s (this machine has: %s)", r.CPUPath, strings.Join(r.CPUPaths, ", "))
	line("fast bf16", "%s (this machine has it: %s)", onOff(r.FastBF16), yesNo(r.HasFastBF16))
	line("threads", "%d", r.Threads)
	line("memory", "%s available", bytesKnown(r.MemoryBytes, r.MemoryBytes > 0))
	line("hub token", "%s", r.Token)
	line("secret", "%s", map[bool]string{true: "set", false: "none"}[r.Secret])
	line("sentry", "%s", onOff(r.Sentry))
	line("cache", "%s (%s in %d repositories, %s free)", r.Cache, hub.BytesText(r.CacheBytes), r.CacheRepos, bytesKnown(r.DiskFreeBytes, r.DiskFreeBytes >= 0))
	line("hub", "%s", r.Hub)
	if r.Model != "" {
		line("model", "%s", r.Model)
	}
	if r.Requirements != nil {
		r.Requirements.print(line, r.DiskFreeBytes)
	}
	for _, w := range warnings {
		line("note", "%s", w)
	}
	return table.Flush()
}

func onOff(b bool) string { return map[bool]string{true: "on", false: "off"}[b] }

func yesNo(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

// bytesKnown writes a count of bytes that not every system tells.
func bytesKnown(count int64, told bool) string {
	if !told {
		return "an unknown amount"
	}
	return hub.BytesText(count)
}
