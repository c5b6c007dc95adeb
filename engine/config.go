package engine

import (
	"context"
	"log/slog"
	"time"

	"npinf/hub"
	"npinf/kernels"
	"npinf/sae"
)

// Opener opens a repository by its id or a local folder by its path. *hub.Client is one.
type Opener interface {
	Open(ctx context.Context, name, revision string) (hub.Snapshot, error)
}

// Config is everything an operator can decide about an engine. Zero values of limits mean
// their defaults.
type Config struct {
	// ModelID is a Hugging Face id, a neuronpedia id or a local folder; "" means Demo.
	ModelID string
	// OverrideModelID replaces the weights but not the sources, so that sources of a base
	// model run on its tuned sibling. CustomModelID replaces both.
	OverrideModelID, CustomModelID string
	// Demo is the model served when no id is given, and DemoSources its sources.
	Demo        hub.Snapshot
	DemoSources []LocalSource

	// SourceSets are names of source sets, several in one string allowed; nil chooses the
	// residual set released for the model that has the most sources.
	SourceSets       []string
	Include, Exclude []string // patterns a source id must and must not match
	SourceFolders    []string // folders with sources, or hf:owner/repo[/path][@revision]; see openSources
	AnySource        bool     // serve released sources that are not configured, too
	MaxLoadedSAEs    int      // how many sources are resident at most; default 500
	Preload          bool     // load sources in the background after the start

	// Jacobian says where the Jacobian lens comes from; nil serves the logit lens only.
	Jacobian *JacobianConfig

	ModelDType string // "auto", "float32", "bfloat16" or "float16"; default auto
	// Int8Weights rounds the model's matrices to int8, but for embeddings, routers and MXFP4.
	Int8Weights bool
	SAEDType    string // "float32", "bfloat16" or "float16"; default float32
	Borrow      bool   // weights may stay in mapped files

	TokenLimit     int           // tokens of an activation request; default 200
	LensTokenLimit int           // tokens of a lens request; default 1024
	MaxTokens      int           // tokens of any sequence, caps the two above; default 4096
	MaxConcurrent  int           // requests computed at the same time; default 4
	MaxGenerations int           // requests that generate at the same time; default MaxConcurrent when that is set, else 32
	MaxQueued      int           // requests waiting for a slot; default 256
	RequestTimeout time.Duration // wait for a slot; 0 waits for ever
	// CacheBytes is the memory for keys and values of sequences that are generated; a request
	// that would go beyond waits. 0 takes a quarter of what is available after the load.
	CacheBytes int64
	// MemoryBytes is the memory a model may take; 0 measures what is available, and a
	// negative number switches the check off.
	MemoryBytes int64

	Device   kernels.Device
	Hub      Opener
	Registry *sae.Registry
	Logger   *slog.Logger // nil for silence
	// PersonaDir holds persona assets in folders named by Hugging Face id; "" for none.
	PersonaDir string
	// Clock is what chat templates take the date from; nil is the time of this machine.
	Clock func() time.Time
	// RetryWait is the pause after a hub that limits requests; default a minute.
	RetryWait time.Duration
}

// LocalSource is a source in a repository that the registry does not know.
type LocalSource struct {
	Files hub.Snapshot
	Row   sae.Row // Source and Set name it; Dialect and Path say how it is stored
}

// Limits of the interface that no setting changes.
const (
	maxResults         = 1000 // features in an answer of all
	maxNeighbours      = 128  // features in an answer of neighbours
	maxBatch           = 4    // prompts of a batch request
	maxRawBatch        = 16   // prompts of a raw request
	batchDivisor       = 4    // a batch prompt may have this part of the token limit
	defaultLimit       = 200
	defaultLens        = 1024
	defaultTokens      = 4096
	defaultLoaded      = 500
	defaultSlots       = 4
	defaultGenerations = 32
	leastCacheBytes    = 256 << 20
	logitReaders       = 1 // readers of the lens that rank logits at a time; each uses all threads
	defaultQueue       = 256
	defaultRetry       = time.Minute
	retryAfter         = 5 * time.Second
	neuronsSet         = "neurons"
	noTimeout          = 0
	autoDType          = "auto"
	defaultSAEType     = "float32"
	halfDType          = "bfloat16" // the storage type of two bytes that loses least
	int8DType          = "int8"     // what is said of a model with Int8Weights
)

// withDefaults fills in what the operator left open and caps the token limits.
func (c Config) withDefaults() Config {
	fill(&c.MaxLoadedSAEs, defaultLoaded)
	fill(&c.TokenLimit, defaultLimit)
	fill(&c.LensTokenLimit, defaultLens)
	fill(&c.MaxTokens, defaultTokens)
	if c.MaxGenerations <= 0 {
		c.MaxGenerations = c.MaxConcurrent
	}
	fill(&c.MaxGenerations, defaultGenerations)
	fill(&c.MaxConcurrent, defaultSlots)
	fill(&c.MaxQueued, defaultQueue)
	c.TokenLimit = min(c.TokenLimit, c.MaxTokens)
	c.LensTokenLimit = min(c.LensTokenLimit, c.MaxTokens)
	if c.ModelDType == "" {
		c.ModelDType = autoDType
	}
	if c.SAEDType == "" {
		c.SAEDType = defaultSAEType
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.RetryWait <= 0 {
		c.RetryWait = defaultRetry
	}
	return c
}

func fill(value *int, standard int) {
	if *value <= 0 {
		*value = standard
	}
}

// weightsID is the id of the model whose weights are loaded, as configured; "" means Demo.
func (c *Config) weightsID() string {
	return firstOf(c.CustomModelID, c.OverrideModelID, c.ModelID)
}

// sourcesID is the id under which sources are looked up: the override does not change it.
func (c *Config) sourcesID() string { return firstOf(c.CustomModelID, c.ModelID) }

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
