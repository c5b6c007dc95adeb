package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"npinf/internal/golden"
)

// secrets of the recorded configurations; the others have none.
var secrets = map[string]string{"secret": "s3cret-Wert"}

// notServed are the flags of routes that this version does not serve; the reference has them.
var notServed = []string{}

// TestGoldenServer sends every recorded request to the handler. There is no model here: the
// engine is played by the recording, so what is compared is all that the server itself does,
// from the bytes of the request to the bytes of the answer.
func TestGoldenServer(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Dir(t, "server"), "*", "cases-*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	passed, later := map[string]int{}, map[string]int{}
	for _, file := range files {
		lines := bufio.NewScanner(bytes.NewReader(golden.ReadFile(t, file)))
		lines.Buffer(nil, 1<<26)
		for lines.Scan() {
			var c goldenCase
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch outcome := playCase(&c); outcome {
			case "":
				passed[c.Group]++
			case laterOutcome:
				later[c.Group]++
			default:
				t.Errorf("%s (%s %s): %s", c.ID, c.Request.Method, c.Request.Path, outcome)
			}
		}
	}
	t.Logf("passed by group: %v", passed)
	t.Logf("routes or answers for later: %v", later)
}

const laterOutcome = "later"

// playCase answers one case and says what is wrong with the answer. laterOutcome is a case
// that asks for what this version does not serve, and was told so.
func playCase(c *goldenCase) string {
	want := c.expected()
	if want == nil || want.Status == nil {
		return laterOutcome
	}
	if c.Group == "capabilities" || bytes.Contains(want.Body, []byte(`"endpoints"`)) {
		c.Ignore = append(c.Ignore, notServed...)
	}
	player := &player{recorded: c, want: want}
	s := New(player, Options{Secret: secrets[c.Config], Logger: slog.New(slog.DiscardHandler)})
	got := c.send(s.Handler())
	served := numbersOf(want.Status)
	if got.Code == http.StatusNotImplemented && !slices.Contains(served, http.StatusUnprocessableEntity) && len(served) > 0 {
		return laterOutcome
	}
	return c.difference(want, got)
}
