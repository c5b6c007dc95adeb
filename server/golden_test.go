package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"

	"npinf/internal/golden"
)

// secrets of the recorded configurations; the others have none.
var secrets = map[string]string{"secret": "s3cret-Wert"}

// TestGoldenServer sends every recorded request to the handler. There is no model here: the
// engine is played by the recording, so what is compared is all that the server itself does,
// from the bytes of the request to the bytes of the answer.
func TestGoldenServer(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(golden.Dir(t, "server"), "*", "cases-*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	passed, undecided := map[string]int{}, map[string]int{}
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
			case openOutcome:
				undecided[c.Group]++
			default:
				t.Errorf("%s (%s %s): %s", c.ID, c.Request.Method, c.Request.Path, outcome)
			}
		}
	}
	t.Logf("passed by group: %v", passed)
	t.Logf("left open by the recording: %v", undecided)
}

const openOutcome = "open"

// playCase answers one case and says what is wrong with the answer. openOutcome is a case
// that leaves the answer open.
func playCase(c *goldenCase) string {
	want := c.expected()
	if want == nil || want.Status == nil {
		return openOutcome
	}
	player := &player{recorded: c, want: want}
	s := New(player, Options{Secret: secrets[c.Config], Logger: slog.New(slog.DiscardHandler)})
	got := c.send(s.Handler())
	return c.difference(want, got)
}
