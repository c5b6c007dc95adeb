package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"npinf/internal/settings"
)

// runHealthcheck asks a running server whether it is ready. It exists because a container
// image with nothing but this program has no curl.
func runHealthcheck(ctx context.Context, w *World, args []string) error {
	file, err := envFile(args)
	if err != nil {
		return err
	}
	s, _, err := settings.Load(w.Environment, file)
	if err != nil {
		return usagef("%v", err)
	}
	f := newFlags("healthcheck", "[flags]", "Exits 0 if the server on this machine is ready to answer, 1 if it is not.")
	f.String("env-file", "", "read the port from `FILE` (.env is read by itself)")
	port := f.Int("port", s.Port, "`PORT` of the server")
	alive := f.Bool("live", false, "ask only whether the process answers, not whether its model is loaded")
	timeout := f.Duration("timeout", 5*time.Second, "how long to wait, as `DURATION`")
	if rest, err := f.parse(w, args); err != nil {
		return err
	} else if len(rest) > 0 {
		return usagef("healthcheck takes no arguments, got %q", rest)
	}
	path := "/readyz"
	if *alive {
		path = "/livez"
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return probe(ctx, "http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(*port))+path)
}

func probe(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{}} // no proxy: the server is on this machine
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
	}
	return nil
}
