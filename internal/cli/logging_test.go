package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestLoggedDurationsHaveAUnit(t *testing.T) {
	var output bytes.Buffer
	logger, closer, err := newLogger(&World{Stderr: &output}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	logger.Info("request", "took", 1500*time.Microsecond, "status", 200)
	if got := output.String(); !strings.Contains(got, `"took":"1.5ms","status":200`) {
		t.Error(got)
	}
}
