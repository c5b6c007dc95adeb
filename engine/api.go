// Package engine is what npinf can do, without HTTP: one method per product verb, the
// limits, and errors with codes. It owns the model, the sources and their residency.
package engine

import (
	"context"
	"time"
)

// Code classifies an error for whoever has to answer it.
type Code uint8

// The codes. The server turns each into one status.
const (
	Internal    Code = iota // a defect of ours: logged and reported, no internals shown
	Invalid                 // the client's mistake; the message says which
	Unavailable             // too busy just now; try again after RetryAfter
	NotReady                // the model is not loaded (yet), or its load failed
	NonFinite               // NaN or Inf in a result
	Canceled                // the caller went away
	Busy                    // the caller did not want to wait
)

// Error is an error with a code. Message is for users, Cause for the log.
type Error struct {
	Code       Code
	Message    string
	Cause      error
	RetryAfter time.Duration
}

// Error returns the message for users.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Service is what the server needs of an engine. *Engine implements it.
type Service interface {
	// Status says whether the model is loaded. It never blocks.
	Status() Status
	// Capabilities describes what is served. It fails with NotReady before the load is done.
	Capabilities() (Capabilities, error)

	Tokenize(ctx context.Context, r TokenizeRequest) (Tokenized, error)
	ActivationSingle(ctx context.Context, r SingleRequest) ([]SingleResult, error)
	ActivationAll(ctx context.Context, r AllRequest) ([]AllResult, error)
	ActivationTopK(ctx context.Context, r TopKRequest) ([]TopKResult, error)
	ActivationSource(ctx context.Context, r SourceRequest) ([]SourceResult, error)
	ActivationRaw(ctx context.Context, r RawRequest) (RawResult, error)
	ActivationAttention(ctx context.Context, r AttentionRequest) (AttentionResult, error)

	SourceVector(ctx context.Context, r VectorRequest) (VectorResult, error)
	Neighbours(ctx context.Context, r NeighboursRequest) ([]Neighbour, error)
	Similarity(ctx context.Context, r SimilarityRequest) (SimilarityResult, error)

	// SteerCompletion calls emit, when that is not nil, with every state of the answer; the
	// last one is returned.
	SteerCompletion(ctx context.Context, r SteerRequest, emit func(SteerFrame) error) (SteerFrame, error)
	// SteerChat is SteerCompletion for a conversation.
	SteerChat(ctx context.Context, r SteerChatRequest, emit func(ChatFrame) error) (ChatFrame, error)
	ApplyChatTemplate(ctx context.Context, r TemplateRequest) (Rendered, error)
	// Health is what generation is doing. It never blocks.
	Health() Health

	// Lens tells what the model thinks in its middle, piece by piece.
	Lens(ctx context.Context, r LensRequest, emit func(LensFrame) error) error

	// Provenance says which model answers, and how it computes.
	Provenance() (Provenance, error)
	// SourceOrigins says where the served sources come from.
	SourceOrigins() ([]SourceOrigin, error)

	// Reload loads the model and the sources again; customModel replaces the configured
	// model, "" means the configured one.
	Reload(ctx context.Context, customModel string) error
}

// Status is the state of the load.
type Status struct {
	Ready bool
	// Failed holds the text of a failed load, with its remedy; "" while loading.
	Failed string
	// Model is the configured model id.
	Model string
}

// Capabilities is what GET /v1/capabilities reports; the server adds the constants.
type Capabilities struct {
	Model                string
	Device               string
	MaxConcurrent        int
	MaxTokens            int
	TokenLimit           int
	LensTokenLimit       int
	ActivationTokenLimit int
	CapturePoints        []string // sorted
	Layers               int
	SourceSets           []string // in directory order
	Cache                CacheStatistics
	// Neurons is true when digit sources are served; Attribution when DFA is.
	Neurons, Attribution bool
	// Jacobian is true when a Jacobian lens is loaded.
	Jacobian bool
}

// CacheStatistics counts what is resident of the sources.
type CacheStatistics struct {
	ResidentBytes, ResidentCount, RegisteredCount int64
	Hits, Misses, Evictions                       int64
}

// TokenizeRequest asks for the tokens of a text. PrependBOS nil means true.
type TokenizeRequest struct {
	Text       string
	PrependBOS *bool
}

// Tokenized is a text in tokens; PrependBOS tells whether it begins with a BOS that was added.
type Tokenized struct {
	IDs        []int
	Strings    []string
	PrependBOS bool
}

// SingleRequest asks for one feature (Source and Index) or one direction (Vector and Hook)
// on one or several prompts. Nil pointers are absent fields.
type SingleRequest struct {
	Prompts []string
	Batch   bool // per-prompt limits and messages of the batch routes
	Source  *string
	Index   *string
	Vector  []float64
	Hook    *string
}

// Attribution is direct feature attribution (DFA): what each source position gave to the
// feature at Target.
type Attribution struct {
	Values []float32
	Max    float32
	Target int
}

// SingleResult is one prompt's activations, without the BOS in front.
type SingleResult struct {
	Values   []float32
	Max      float32
	MaxIndex int
	DFA      *Attribution // nil where it does not apply
	Tokens   []string
	Special  []bool
}

// AllRequest asks for the strongest features over a source set.
type AllRequest struct {
	Prompts    []string
	Batch      bool
	SourceSet  string
	Sources    []string // empty = the whole set
	SortTokens []int    // rank by the sum over these positions; empty = by maximum
	IgnoreBOS  bool
	Results    int // how many features; the engine clamps to its maximum
}

// FeatureActivation is one feature over all positions of a prompt.
type FeatureActivation struct {
	Source   string
	Index    int
	Values   []float32
	Sum      float32
	Max      float32
	MaxIndex int
	DFA      *Attribution
}

// AllResult is one prompt's strongest features, best first.
type AllResult struct {
	Features []FeatureActivation
	Tokens   []string
}

// TopKRequest asks for the strongest features of every token of one source.
type TopKRequest struct {
	Prompts   []string
	Batch     bool
	Source    string
	K         int
	IgnoreBOS bool
}

// FeatureValue is a feature and its activation.
type FeatureValue struct {
	Index int
	Value float32
}

// TokenFeatures is one position's strongest features.
type TokenFeatures struct {
	Position int // in the prompt, BOS counted
	Token    string
	Special  bool
	Features []FeatureValue
}

// TopKResult is one prompt's positions.
type TopKResult struct {
	Positions []TokenFeatures
}

// SourceRequest asks for every firing feature of one source.
type SourceRequest struct {
	Prompts []string
	Source  string
}

// TokenValue is an activation at a position, rounded to three decimals.
type TokenValue struct {
	Position int
	Value    float64
}

// ActiveFeature is one firing feature with its positions, ascending.
type ActiveFeature struct {
	Index  int
	Values []TokenValue
}

// SourceResult lists the features of one prompt by first position, then index.
type SourceResult struct {
	Tokens   []string
	Features []ActiveFeature
}

// RawRequest asks for residual rows. Layers are decimal digits, since a client may write
// numbers beyond any int; empty means all.
type RawRequest struct {
	Prompts   []string
	Layers    []string
	HookPoint string
	Type      string
}

// LayerRows are the rows of one layer.
type LayerRows struct {
	Layer     int
	Positions []int
	Values    [][]float64
}

// RawPrompt is one prompt of a RawResult.
type RawPrompt struct {
	IDs     []int
	Strings []string
	Layers  []LayerRows
}

// RawResult is the answer to a RawRequest.
type RawResult struct {
	DType, Device string
	Prompts       []RawPrompt
}

// AttentionRequest asks for one head's pattern. Layer and Head are decimal digits.
type AttentionRequest struct {
	Prompt      string
	Layer, Head string
}

// AttentionResult is a sparse attention pattern, flat index = query·Length + key.
type AttentionResult struct {
	Length  int
	Indices []int
	Values  []float64
	Max     float64
	Tokens  []string
}
