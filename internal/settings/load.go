package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v10"
)

// Load reads the settings from an environment (as os.Environ gives it) and from the lines of
// an environment file, which the environment beats. Warnings are for the operator to read
// once. The error is one line that names the variable and what it should hold.
func Load(environment []string, file map[string]string) (s Settings, warnings []string, err error) {
	merged := make(map[string]string, len(environment)+len(file))
	for name, value := range file {
		merged[name] = value
	}
	for _, line := range environment {
		name, value, ok := strings.Cut(line, "=")
		if _, inFile := file[name]; ok && (value != "" || !inFile) { // set but empty counts as unset
			merged[name] = value
		}
	}
	if err := env.ParseWithOptions(&s, env.Options{Environment: merged}); err != nil {
		return s, nil, readable(err)
	}
	if err := s.Validate(); err != nil {
		return s, nil, err
	}
	return s, s.warnings(merged), nil
}

// readable turns the library's report into one line that names the variable.
func readable(err error) error {
	var aggregate env.AggregateError
	if !errors.As(err, &aggregate) || len(aggregate.Errors) == 0 {
		return err
	}
	var parts []string
	for _, one := range aggregate.Errors {
		var parse env.ParseError
		if !errors.As(one, &parse) {
			parts = append(parts, one.Error())
			continue
		}
		parts = append(parts, fmt.Sprintf("%s: %s", variable(parse.Name), reason(parse)))
	}
	return errors.New(strings.Join(parts, "; "))
}

// variable gives the environment variable of a field.
func variable(field string) string {
	if f, ok := reflect.TypeFor[Settings]().FieldByName(field); ok {
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			return name
		}
	}
	return field
}

// reason says what a value should have been without repeating it: it may be a secret.
func reason(parse env.ParseError) string {
	switch parse.Type.Kind() {
	case reflect.Int:
		return "not a whole number"
	case reflect.Bool:
		return `not a truth value; write "true" or "false"`
	case reflect.Float64:
		return "not a number"
	}
	return parse.Err.Error()
}

// Validate checks what a type cannot: ranges and words. It names the variable.
func (s *Settings) Validate() error {
	words := []struct {
		name, value string
		allowed     []string
	}{
		{"MODEL_DTYPE", s.ModelDType, []string{"auto", "float32", "bfloat16", "float16"}},
		{"SAE_DTYPE", s.SAEDType, []string{"float32", "bfloat16", "float16"}},
		{"NPINF_WEIGHTS", s.Weights, []string{"stored", "int8"}},
		{"NPINF_CPU", s.CPU, []string{"", "generic", "avx2", "avx512"}},
		{"LISTEN", s.Listen, []string{"early", "ready"}},
		{"RESPONSE_CASE", s.ResponseCase, []string{"camel", "snake"}},
		{"LOAD_MODE", s.LoadMode, []string{"mmap", "read"}},
	}
	for _, w := range words {
		if !slices.Contains(w.allowed, w.value) {
			return fmt.Errorf("%s: %q is not one of %s", w.name, w.value, strings.Join(quoted(w.allowed), ", "))
		}
	}
	ranges := []struct {
		name            string
		value, low, top int
	}{
		{"SERVER_PORT", s.Port, 0, 65535},
		{"TOKEN_LIMIT", s.TokenLimit, 1, 1 << 20},
		{"LENS_TOKEN_LIMIT", s.LensTokenLimit, 1, 1 << 20},
		{"MAX_TOKENS", s.MaxTokens, 0, 1 << 20},
		{"MAX_LOADED_SAES", s.MaxLoadedSAEs, 1, 1 << 20},
		{"MAX_CONCURRENT_REQUESTS", s.MaxConcurrent, 0, 1 << 16},
		{"NPINF_THREADS", s.Threads, 0, 4096},
	}
	for _, r := range ranges {
		if r.value < r.low || r.value > r.top {
			return fmt.Errorf("%s: %d is out of range; it must be between %d and %d", r.name, r.value, r.low, r.top)
		}
	}
	if s.FreezePoints != "" {
		return errors.New("FREEZE_POINTS is the old name of STATIC_POINTS; remove it (npinf needs neither)")
	}
	return nil
}

func quoted(words []string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, `"`+w+`"`)
		}
	}
	return out
}

// Sets returns the configured source sets. An entry may name several, separated by blanks.
func (s *Settings) Sets() []string {
	if s.SAESets == nil {
		return nil
	}
	names := []string{}
	for _, entry := range s.SAESets {
		names = append(names, strings.Fields(entry)...)
	}
	return names
}

func (s *Settings) warnings(environment map[string]string) []string {
	var out, set []string
	for _, name := range inert {
		if environment[name] != "" {
			set = append(set, name)
		}
	}
	if len(set) > 0 {
		out = append(out, strings.Join(set, ", ")+": no meaning on a CPU, ignored")
	}
	if environment["JLENS_CACHE_DIR"] != "" {
		out = append(out, "JLENS_CACHE_DIR: Jacobian lenses are cached with the models, in HF_HUB_CACHE")
	}
	if !slices.Contains([]string{"", "auto", "cpu"}, s.Device) {
		out = append(out, "DEVICE="+s.Device+": this build computes on the CPU")
	}
	if value, ok := environment["SECRET"]; ok && value == "" {
		out = append(out, "SECRET is set but empty: the server is open to everyone")
	}
	return out
}
