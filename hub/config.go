package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Config says where the hub and the cache are and how to treat them. FromEnv fills it from the variables that
// Python's huggingface_hub knows; NewClient gives the zero values their defaults.
type Config struct {
	Endpoint    string // base URL without a trailing slash; default https://huggingface.co
	CacheDir    string // the folder with models--owner--name in it
	Token       string // sent to the endpoint and to no other host
	TokenSource string // "HF_TOKEN" or the token file, for error texts
	UserAgent   string

	Offline    bool // ask nothing of the network
	Stream     bool // store nothing: download into memory
	NoSymlinks bool // lay files themselves into snapshots/
	NoMap      bool // read cached files into memory instead of mapping them (slow page faults, network volumes)

	MetadataTimeout time.Duration // silence after which a question to the hub has failed; default 10 s
	StallTimeout    time.Duration // silence after which a download is tried again; default 10 s
	PieceBytes      int64         // bytes asked for in one request; default 32 MiB
	Parallel        int           // downloads at the same time; default 8

	NoProgress bool     // HF_HUB_DISABLE_PROGRESS_BARS: the caller should leave Progress nil
	Progress   Reporter // told what arrives; nil for nobody
	Logger     *slog.Logger
	// Sleep waits between tries; nil for the clock. Tests replace it.
	Sleep func(ctx context.Context, wait time.Duration) error
}

const (
	defaultEndpoint = "https://huggingface.co"
	defaultTimeout  = 10 * time.Second
)

// FromEnv reads the environment through getenv (os.Getenv, or a map in tests). A variable that is set but empty counts
// as unset.
func FromEnv(getenv func(string) string) (Config, error) {
	config := Config{
		Endpoint:   strings.TrimRight(first(getenv, "HF_ENDPOINT"), "/"),
		Offline:    truth(getenv("HF_HUB_OFFLINE")) || truth(getenv("TRANSFORMERS_OFFLINE")),
		NoSymlinks: truth(getenv("HF_HUB_DISABLE_SYMLINKS")),
		NoProgress: truth(getenv("HF_HUB_DISABLE_PROGRESS_BARS")),
		UserAgent:  "npinf",
	}
	if origin := cleanToken(getenv("HF_HUB_USER_AGENT_ORIGIN")); origin != "" {
		config.UserAgent += "; origin/" + origin
	}
	if err := checkEndpoint(config.Endpoint); err != nil {
		return Config{}, err
	}
	home, err := hubHome(getenv)
	if err != nil {
		return Config{}, err
	}
	config.CacheDir = filepath.Join(home, "hub")
	if dir := first(getenv, "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"); dir != "" {
		config.CacheDir = expand(dir, getenv)
	}
	if config.MetadataTimeout, err = seconds(getenv, "HF_HUB_ETAG_TIMEOUT"); err != nil {
		return Config{}, err
	}
	if config.StallTimeout, err = seconds(getenv, "HF_HUB_DOWNLOAD_TIMEOUT"); err != nil {
		return Config{}, err
	}
	if !truth(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
		config.Token, config.TokenSource, err = findToken(getenv, home)
	}
	return config, err
}

// findToken takes the first token among HF_TOKEN, its old name and the token file.
func findToken(getenv func(string) string, home string) (token, source string, err error) {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if token := cleanToken(getenv(name)); token != "" {
			return token, name, checkToken(token, name)
		}
	}
	path := filepath.Join(home, "token")
	if named := getenv("HF_TOKEN_PATH"); named != "" {
		path = expand(named, getenv)
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("the hub token file cannot be read (make it readable, or set HF_TOKEN): %w", err)
	}
	token = cleanToken(string(content))
	if token == "" {
		return "", "", nil
	}
	return token, path, checkToken(token, path)
}

func cleanToken(token string) string {
	return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(token))
}

func checkToken(token, source string) error {
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("the hub token from %s holds characters that no token has: copy it again", source)
	}
	return nil
}

// checkEndpoint lets "" pass: it stands for the default.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.User != nil || parsed.RawQuery != "" {
		return errors.New("HF_ENDPOINT must be a plain URL such as " + defaultEndpoint + ", without a user name or a query")
	}
	return nil
}

// hubHome is $HF_HOME, else huggingface/ in the user's cache folder.
func hubHome(getenv func(string) string) (string, error) {
	if home := getenv("HF_HOME"); home != "" {
		return expand(home, getenv), nil
	}
	if cache := getenv("XDG_CACHE_HOME"); cache != "" {
		return filepath.Join(expand(cache, getenv), "huggingface"), nil
	}
	home := userHome(getenv)
	if home == "" {
		return "", errors.New("no home folder to keep the hub cache in: set HF_HOME")
	}
	return filepath.Join(home, ".cache", "huggingface"), nil
}

func userHome(getenv func(string) string) string { return first(getenv, "HOME", "USERPROFILE") }

// expand replaces a leading ~ and every $VAR.
func expand(path string, getenv func(string) string) string {
	path = os.Expand(path, func(name string) string {
		if value := getenv(name); value != "" {
			return value
		}
		return "$" + name
	})
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		path = userHome(getenv) + path[1:]
	}
	return filepath.Clean(path)
}

func first(getenv func(string) string, names ...string) string {
	for _, name := range names {
		if value := getenv(name); value != "" {
			return value
		}
	}
	return ""
}

func truth(value string) bool {
	switch strings.ToUpper(value) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// seconds reads a whole number of seconds; unset and 0 mean the default.
func seconds(getenv func(string) string, name string) (time.Duration, error) {
	value := getenv(name)
	if value == "" {
		return defaultTimeout, nil
	}
	count, err := strconv.Atoi(value)
	if err != nil || count < 0 || count > 1_000_000 {
		return 0, fmt.Errorf("%s=%q must be a whole number of seconds", name, value)
	}
	if count == 0 {
		return defaultTimeout, nil
	}
	return time.Duration(count) * time.Second, nil
}
