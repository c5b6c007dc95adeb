package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	s, warnings, err := Load(nil, nil)
	if err != nil || len(warnings) != 0 {
		t.Fatalf("Load: %v, warnings %q", err, warnings)
	}
	if s.Port != 5002 || s.TokenLimit != 200 || s.SAEDType != "float32" || s.SAESets != nil || s.MaxLoadedSAEs != 500 {
		t.Errorf("defaults: %+v", s)
	}
	if time.Duration(s.RequestTimeout) != 300*time.Second {
		t.Errorf("request timeout %v", time.Duration(s.RequestTimeout))
	}
}

func TestEnvironmentBeatsFile(t *testing.T) {
	file := map[string]string{"TOKEN_LIMIT": "7", "SAE_SETS": `["a b","c"]`}
	s, _, err := Load([]string{"TOKEN_LIMIT=9", "SERVER_PORT="}, file)
	if err != nil {
		t.Fatal(err)
	}
	if s.TokenLimit != 9 || s.Port != 5002 {
		t.Errorf("token limit %d, port %d", s.TokenLimit, s.Port)
	}
	if got := s.Sets(); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("sets %q", got)
	}
}

func TestEmptyListIsNotUnset(t *testing.T) {
	s, _, err := Load([]string{"SAE_SETS=[]"}, nil)
	if err != nil || s.Sets() == nil || len(s.Sets()) != 0 {
		t.Errorf("sets %#v, %v", s.Sets(), err)
	}
}

func TestMalformedValueNamesTheVariable(t *testing.T) {
	for _, line := range []string{
		"TOKEN_LIMIT=many", "SAE_SETS=res-jb", "MODEL_DTYPE=float8", "SERVER_PORT=70000", "NPINF_CPU=sse",
		"REQUEST_LOCK_TIMEOUT=soon", "FREEZE_POINTS=x", "SENTRY_TRACES_SAMPLE_RATE=often",
	} {
		name, _, _ := strings.Cut(line, "=")
		_, _, err := Load([]string{line}, nil)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	_, warnings, err := Load([]string{"FORCE_BACKEND=eager", "NUM_GPUS=1", "SECRET=", "DEVICE=cuda"}, nil)
	if err != nil || len(warnings) != 3 || !strings.Contains(warnings[0], "FORCE_BACKEND, NUM_GPUS") {
		t.Errorf("warnings %q, %v", warnings, err)
	}
}

func TestLensSettings(t *testing.T) {
	s, warnings, err := Load([]string{"JLENS_CACHE_DIR=/x", "JLENS_SKIP=True", "JLENS_DATASET=pile"}, nil)
	if err != nil || !bool(s.LensSkip) || s.LensDataset != "pile" || s.LensRepo != "neuronpedia/jacobian-lens" || s.LensTokenLimit != 1024 {
		t.Errorf("%+v, %v", s, err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "JLENS_CACHE_DIR") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestResponseCase(t *testing.T) {
	if s, _, err := Load(nil, nil); err != nil || s.ResponseCase != "camel" {
		t.Errorf("%q, %v", s.ResponseCase, err)
	}
	if _, _, err := Load([]string{"RESPONSE_CASE=kebab"}, nil); err == nil || !strings.Contains(err.Error(), "RESPONSE_CASE") {
		t.Errorf("%v", err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	s, _, err := Load([]string{"SECRET=hunter2", "HF_TOKEN=hf_hunter2"}, nil)
	if err != nil || s.Secret.Reveal() != "hunter2" {
		t.Fatalf("secret %q, %v", s.Secret.Reveal(), err)
	}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v", s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), string(encoded)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("secret shown in %s", text)
		}
	}
}

func TestEnvironmentFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	content := "# comment\nA=1\nexport B = \"two words\" # more\nC='x#y'\nD=bare # comment\nE=\"a\\nb\"\nF=\n"
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "B": "two words", "C": "x#y", "D": "bare", "E": "a\nb", "F": ""}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
}

func TestEnvironmentFileErrorHidesValue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte("A=1\nSECRET=\"hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadFile(path)
	if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}
