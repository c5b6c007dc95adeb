package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"npinf/demo"
	"npinf/engine"
	"npinf/hub"
	"npinf/internal/settings"
	"npinf/internal/suggest"
	"npinf/kernels"
	"npinf/sae"
)

// station is what a command works with: the device, the hub, the registry and the
// configuration of an engine on top of them.
type station struct {
	settings *settings.Settings
	device   *kernels.CPU
	hub      *hub.Client
	hubSetup hub.Config
	registry *sae.Registry
	logger   *slog.Logger
	config   engine.Config
}

// openStation prepares everything below the engine. model is the MODEL argument; without it
// the configured model counts, and without that the built-in one.
func openStation(w *World, s *settings.Settings, model string, logger *slog.Logger) (*station, error) {
	if err := s.Validate(); err != nil {
		return nil, usagef("%v", err)
	}
	st := &station{settings: s, logger: logger}
	var err error
	if st.registry, err = sae.OpenRegistry(); err != nil {
		return nil, err
	}
	if st.device, err = openDevice(w, s); err != nil {
		return nil, err
	}
	if err = st.openHub(w); err != nil {
		return nil, err
	}
	if model != "" {
		if s.ModelID, err = st.knownModel(model); err != nil {
			return nil, err
		}
	}
	if st.config, err = st.engineConfig(); err != nil {
		return nil, err
	}
	st.warnOfSets()
	return st, nil
}

// openDevice takes the thread count from NPINF_THREADS, OMP_NUM_THREADS (which container
// platforms set from the CPU request) or the processors this process may use.
func openDevice(w *World, s *settings.Settings) (*kernels.CPU, error) {
	threads := s.Threads
	if threads == 0 {
		fmt.Sscanf(w.environ("OMP_NUM_THREADS"), "%d", &threads)
	}
	if threads < 1 || threads > 4096 {
		threads = runtime.GOMAXPROCS(0)
	}
	device, err := kernels.NewCPU(kernels.CPUOptions{Path: s.CPU, Threads: threads, FastBF16: s.FastBF16})
	if err != nil {
		return nil, usagef("%v", err)
	}
	return device, nil
}

func (st *station) openHub(w *World) error {
	setup, err := hub.FromEnv(w.environ)
	if err != nil {
		return usagef("%v", err)
	}
	if token := st.settings.HFToken.Reveal(); token != "" && token != setup.Token {
		setup.Token, setup.TokenSource = token, "--hf-token"
	}
	setup.Stream = st.settings.Stream
	setup.NoMap = st.settings.LoadMode == "read"
	setup.Logger = st.logger
	if !setup.NoProgress {
		setup.Progress = hub.NewProgress(w.Stderr, terminal(w.Stderr))
	}
	st.hubSetup = setup
	st.hub = hub.NewClient(setup)
	return nil
}

// knownModel catches a mistyped MODEL before anything is asked of the network: a name that
// is neither a folder nor has an owner must be a Neuronpedia id.
func (st *station) knownModel(name string) (string, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return name, nil
	}
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		return "", usagef("%s is a file; name the folder it is in", name)
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "~") {
		return "", usagef("there is no folder %s", name)
	}
	if strings.Contains(name, "/") {
		return name, nil
	}
	if _, known := st.registry.HubID(name); known {
		return name, nil
	}
	if name == demo.Name {
		return "", nil
	}
	return "", usagef("unknown model %q%s (npinf list shows the models; a Hugging Face id is written owner/name)",
		name, suggest.DidYouMean(name, append(st.modelNames(), demo.Name)))
}

// modelNames lists every Neuronpedia id that leads to a repository.
func (st *station) modelNames() []string {
	var names []string
	for _, m := range st.registry.Models() {
		for _, id := range m.NeuronpediaIDs {
			if _, known := st.registry.HubID(id); known {
				names = append(names, id)
			}
		}
	}
	return names
}

func (st *station) engineConfig() (engine.Config, error) {
	s := st.settings
	config := engine.Config{
		ModelID: s.ModelID, OverrideModelID: s.OverrideModelID, CustomModelID: s.CustomHFModelID,
		SourceSets: s.Sets(), Include: s.IncludeSAE, Exclude: s.ExcludeSAE, SourceFolders: s.SAEFolders,
		AnySource: s.AnySource, MaxLoadedSAEs: s.MaxLoadedSAEs, PersonaDir: s.PersonaDir,
		ModelDType: s.ModelDType, Int8Weights: s.Weights == "int8", SAEDType: s.SAEDType, Borrow: s.LoadMode == "mmap",
		TokenLimit: s.TokenLimit, LensTokenLimit: s.LensTokenLimit, MaxTokens: s.MaxTokens,
		MaxConcurrent: s.MaxConcurrent, RequestTimeout: time.Duration(s.RequestTimeout),
		Device: st.device, Hub: st.hub, Registry: st.registry, Logger: st.logger,
	}
	if !s.LensSkip {
		config.Jacobian = &engine.JacobianConfig{ModelID: s.NeuronpediaModelID, Source: s.LensSource, Repo: s.LensRepo, Path: s.LensPath, Dataset: s.LensDataset}
	}
	if s.ModelID != "" || s.CustomHFModelID != "" || s.OverrideModelID != "" {
		return config, nil
	}
	snapshot, sources, err := openDemo()
	if err != nil {
		return config, err
	}
	config.Demo = snapshot
	config.DemoSources, err = chooseDemo(s, sources)
	return config, err
}

// chooseDemo leaves the sources of the built-in model that the operator wants.
func chooseDemo(s *settings.Settings, sources []engine.LocalSource) ([]engine.LocalSource, error) {
	sets := s.Sets()
	if sets == nil {
		sets = []string{demo.SourceSet}
	}
	chosen, err := sae.Choice(sets, s.IncludeSAE, s.ExcludeSAE)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(sources, func(source engine.LocalSource) bool { return !chosen(source.Row) }), nil
}

// openDemo presents the files in the binary as a repository like any other.
func openDemo() (hub.Snapshot, []engine.LocalSource, error) {
	snapshot, err := hub.OpenFS(demo.Name, demo.Files())
	if err != nil {
		return nil, nil, err
	}
	var sources []engine.LocalSource
	for _, file := range snapshot.Files() {
		folder, isConfig := strings.CutSuffix(file.Path, "/cfg.json")
		id, isSource := strings.CutPrefix(folder, "sae/")
		if isConfig && isSource {
			row := sae.Row{NeuronpediaModel: demo.Name, Source: id, Set: sae.SetOf(id), Repo: demo.Name, Path: folder, Dialect: "sae_lens", Model: demo.Name}
			sources = append(sources, engine.LocalSource{Files: snapshot, Row: row})
		}
	}
	if len(sources) == 0 {
		return nil, nil, errors.New("the built-in model has no sources: the binary was built without them")
	}
	return snapshot, sources, nil
}

// close gives the device back.
func (st *station) close() { st.device.Close() }
