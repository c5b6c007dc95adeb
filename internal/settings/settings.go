// Package settings holds everything an operator can set. A flag beats the environment,
// which beats an environment file, which beats the default. Names and meanings are those
// of the server npinf replaces, so that existing environment files start it unchanged.
package settings

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Settings is the one struct of all settings. Secrets are of type Secret, which prints
// as a placeholder wherever it ends up.
type Settings struct {
	ModelID         string `env:"MODEL_ID"`
	OverrideModelID string `env:"OVERRIDE_MODEL_ID"`
	CustomHFModelID string `env:"CUSTOM_HF_MODEL_ID"`

	// SAESets nil means "choose": the residual set with the most sources released for the model.
	SAESets       List     `env:"SAE_SETS"`
	IncludeSAE    List     `env:"INCLUDE_SAE"`
	ExcludeSAE    List     `env:"EXCLUDE_SAE"`
	SAEFolders    []string // --sae, repeatable
	AnySource     bool     `env:"NPINF_ANY_SOURCE"`
	MaxLoadedSAEs int      `env:"MAX_LOADED_SAES" envDefault:"500"`
	// PersonaDir holds persona assets in folders named by Hugging Face id.
	PersonaDir string `env:"PERSONA_DIR"`

	ModelDType string `env:"MODEL_DTYPE" envDefault:"auto"`
	SAEDType   string `env:"SAE_DTYPE" envDefault:"float32"`
	// Weights is "stored" or "int8" (the model's matrices rounded to a byte per weight).
	Weights string `env:"NPINF_WEIGHTS" envDefault:"stored"`
	Device  string `env:"DEVICE"`

	TokenLimit     int     `env:"TOKEN_LIMIT" envDefault:"200"`
	LensTokenLimit int     `env:"LENS_TOKEN_LIMIT" envDefault:"1024"`
	MaxTokens      int     `env:"MAX_TOKENS"`
	MaxConcurrent  int     `env:"MAX_CONCURRENT_REQUESTS"`
	RequestTimeout Seconds `env:"REQUEST_LOCK_TIMEOUT" envDefault:"300"`

	Host   string `env:"SERVER_HOST" envDefault:"0.0.0.0"`
	Port   int    `env:"SERVER_PORT" envDefault:"5002"`
	Secret Secret `env:"SECRET"`
	// Listen is "early" (answer while loading) or "ready" (bind the port once loaded).
	Listen  string `env:"LISTEN" envDefault:"early"`
	HomeDir string `env:"HOME_DIR"`
	// ResponseCase is "camel" or "snake": how the keys of answers are spelled when a request
	// does not say. The published client libraries read snake_case.
	ResponseCase string `env:"RESPONSE_CASE" envDefault:"camel"`

	// Where the Jacobian lens comes from; see engine.JacobianConfig.
	NeuronpediaModelID string `env:"NEURONPEDIA_MODEL_ID"`
	LensSkip           Words  `env:"JLENS_SKIP"`
	LensSource         string `env:"JLENS_SOURCE"`
	LensRepo           string `env:"JLENS_HF_REPO" envDefault:"neuronpedia/jacobian-lens"`
	LensPath           string `env:"JLENS_HF_PATH"`
	LensDataset        string `env:"JLENS_DATASET" envDefault:"Salesforce-wikitext"`

	HFToken Secret `env:"HF_TOKEN"`
	// LoadMode is "mmap" (weights are mapped from the cache) or "read" (read into memory).
	LoadMode string `env:"LOAD_MODE" envDefault:"mmap"`
	Stream   bool   `env:"NPINF_STREAM"`

	SentryDSN         Secret  `env:"SENTRY_DSN"`
	SentryEnvironment string  `env:"SENTRY_ENVIRONMENT" envDefault:"development"`
	SentryRelease     string  `env:"SENTRY_RELEASE"`
	SentryTracesRate  float64 `env:"SENTRY_TRACES_SAMPLE_RATE"`

	CPU     string `env:"NPINF_CPU"`
	Threads int    `env:"NPINF_THREADS"`
	// FastBF16 multiplies the model's bfloat16 weights with inputs rounded to bfloat16.
	FastBF16 bool `env:"NPINF_FAST_BF16"`

	FreezePoints string `env:"FREEZE_POINTS"`
	ListModels   Words  `env:"LIST_MODELS"`
}

// inert are the variables that only mean something on a GPU or with another backend.
// They are accepted so that an existing environment file works, and named in one warning.
var inert = []string{
	"FORCE_BACKEND", "NUM_GPUS", "STATIC_POINTS", "SAE_GPU_BUDGET_GIB", "SAE_PINNED_HOST_GIB",
	"VLLM_GPU_MEMORY_UTILIZATION", "VLLM_CUDAGRAPH_CAPTURE_SIZES", "MAX_NUM_BATCHED_TOKENS",
	"JLENS_GPU_BUDGET_GIB", "TRANSIENT_BUDGET_MIB", "MODEL_FROM_PRETRAINED_KWARGS", "GENERATION_ONLY", "SENTRY_PROFILES_SAMPLE_RATE",
}

// Secret is a string that never shows itself when printed, logged or marshalled.
type Secret string

// String returns a placeholder, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString keeps %#v from showing the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText keeps encoders from showing the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the secret as it is.
func (s *Secret) UnmarshalText(text []byte) error { *s = Secret(text); return nil }

// Reveal returns the secret itself, for the one place that uses it.
func (s Secret) Reveal() string { return string(s) }

// List is a list of strings, in the environment a JSON list such as ["res-jb"].
type List []string

// UnmarshalText reads a JSON list of strings. An empty list is not nil.
func (l *List) UnmarshalText(text []byte) error {
	values := []string{}
	if err := json.Unmarshal(text, &values); err != nil {
		return fmt.Errorf(`%q is not a JSON list of strings; write it like ["res-jb"]`, text)
	}
	*l = values
	return nil
}

// Seconds is a duration written as a number of seconds.
type Seconds time.Duration

// UnmarshalText reads a non-negative number of seconds.
func (s *Seconds) UnmarshalText(text []byte) error {
	duration, err := time.ParseDuration(string(text) + "s")
	if err != nil || duration < 0 {
		return fmt.Errorf("%q is not a number of seconds", text)
	}
	*s = Seconds(duration)
	return nil
}

// Words is a boolean of which only the word "true", in any case, is true.
type Words bool

// UnmarshalText never fails: any other word is false.
func (w *Words) UnmarshalText(text []byte) error {
	*w = Words(strings.EqualFold(string(text), "true"))
	return nil
}
