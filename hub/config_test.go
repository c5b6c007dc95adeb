package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func fromMap(t *testing.T, variables map[string]string) (Config, error) {
	t.Helper()
	return FromEnv(func(name string) string { return variables[name] })
}

func TestFromEnvDefaults(t *testing.T) {
	config, err := fromMap(t, map[string]string{"HOME": "/home/me"})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.FromSlash("/home/me/.cache/huggingface/hub"); config.CacheDir != want {
		t.Errorf("CacheDir = %q, want %q", config.CacheDir, want)
	}
	if config.MetadataTimeout != 10*time.Second || config.StallTimeout != 10*time.Second || config.Token != "" || config.Offline {
		t.Errorf("%+v", config)
	}
	if got := NewClient(config).config.Endpoint; got != "https://huggingface.co" {
		t.Errorf("endpoint %q", got)
	}
}

func TestFromEnvCacheFolder(t *testing.T) {
	for _, test := range []struct {
		variables map[string]string
		want      string
	}{
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"},
		{map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": "~/hf"}, "/home/me/hf/hub"},
		{map[string]string{"HF_HOME": "$DATA/hf", "DATA": "/data"}, "/data/hf/hub"},
		{map[string]string{"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"},
		{map[string]string{"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "~/new/"}, "/home/me/new"},
		{map[string]string{"HF_HOME": "", "HF_HUB_CACHE": ""}, "/home/me/.cache/huggingface/hub"},
	} {
		test.variables["HOME"] = "/home/me"
		config, err := fromMap(t, test.variables)
		if want := filepath.FromSlash(test.want); config.CacheDir != want || err != nil {
			t.Errorf("%v: %q, want %q: %v", test.variables, config.CacheDir, want, err)
		}
	}
	if _, err := fromMap(t, nil); err == nil || !strings.Contains(err.Error(), "HF_HOME") {
		t.Errorf("without a home: %v", err)
	}
}

func TestFromEnvToken(t *testing.T) {
	home := t.TempDir()
	named := filepath.Join(home, "named")
	for path, text := range map[string]string{filepath.Join(home, "token"): " hf_file\r\n", named: "hf_named"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		variables     map[string]string
		token, source string
	}{
		{map[string]string{"HF_TOKEN": "hf_a\n", "HUGGING_FACE_HUB_TOKEN": "hf_b"}, "hf_a", "HF_TOKEN"},
		{map[string]string{"HF_TOKEN": " \r\n", "HUGGING_FACE_HUB_TOKEN": " hf_b "}, "hf_b", "HUGGING_FACE_HUB_TOKEN"},
		{map[string]string{}, "hf_file", filepath.Join(home, "token")},
		{map[string]string{"HF_TOKEN_PATH": named}, "hf_named", named},
		{map[string]string{"HF_TOKEN_PATH": filepath.Join(home, "absent")}, "", ""},
		{map[string]string{"HF_TOKEN": "hf_a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"}, "", ""},
	} {
		test.variables["HF_HOME"] = home
		config, err := fromMap(t, test.variables)
		if config.Token != test.token || config.TokenSource != test.source || err != nil {
			t.Errorf("%v: %q from %q, %v", test.variables, config.Token, config.TokenSource, err)
		}
	}
	for _, variables := range []map[string]string{
		{"HF_TOKEN": "hf_a b", "HF_HOME": home},
		{"HF_TOKEN_PATH": home, "HF_HOME": home},
	} {
		if _, err := fromMap(t, variables); err == nil || strings.Contains(err.Error(), "hf_a") {
			t.Errorf("%v: %v", variables, err)
		}
	}
}

func TestFromEnvSwitches(t *testing.T) {
	for value, want := range map[string]bool{"1": true, "on": true, "Yes": true, "TRUE": true, "0": false, "": false, "y": false, "2": false} {
		for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
			config, err := fromMap(t, map[string]string{name: value, "HF_HOME": "/h", "HF_HUB_DISABLE_SYMLINKS": value, "HF_HUB_DISABLE_PROGRESS_BARS": value})
			if config.Offline != want || config.NoSymlinks != want || config.NoProgress != want || err != nil {
				t.Errorf("%s=%q: %+v, %v", name, value, config, err)
			}
		}
	}
	config, err := fromMap(t, map[string]string{"HF_HOME": "/h", "HF_ENDPOINT": "http://mirror:8080/hf///", "HF_HUB_ETAG_TIMEOUT": "0",
		"HF_HUB_DOWNLOAD_TIMEOUT": "60", "HF_HUB_USER_AGENT_ORIGIN": "lab"})
	if config.Endpoint != "http://mirror:8080/hf" || config.MetadataTimeout != 10*time.Second || config.StallTimeout != time.Minute ||
		config.UserAgent != "npinf; origin/lab" || err != nil {
		t.Errorf("%+v, %v", config, err)
	}
	for name, value := range map[string]string{"HF_HUB_ETAG_TIMEOUT": "soon", "HF_HUB_DOWNLOAD_TIMEOUT": "-1", "HF_ENDPOINT": "mirror:8080"} {
		if _, err := fromMap(t, map[string]string{"HF_HOME": "/h", name: value}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
