package jinja

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"npinf/internal/golden"
)

// recorded is a file of templates rendered by Jinja2 in Python, set up as transformers does.
type recorded struct {
	Templates []string
	Cases     []struct {
		Name     string
		Template int
		Data     json.RawMessage
		Want     *string
		Error    bool
	}
}

// recordedClock is the time that strftime_now told when the cases were recorded.
func recordedClock() time.Time { return time.Date(2025, time.July, 10, 12, 0, 0, 0, time.UTC) }

func TestGoldenChatTemplates(t *testing.T) {
	dir := golden.Dir(t, "chat")
	files, err := filepath.Glob(filepath.Join(dir, "*.json*"))
	if err != nil || len(files) == 0 {
		golden.Missing(t, "no recorded templates in "+dir)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var file recorded
			golden.ReadJSON(t, path, &file)
			if len(file.Cases) == 0 {
				t.Fatal("no cases")
			}
			for _, c := range file.Cases {
				variables, err := ParseJSON(c.Data)
				if err != nil {
					t.Fatalf("%s: %v", c.Name, err)
				}
				got, err := renderText(file.Templates[c.Template], variables.(*Dict))
				switch {
				case c.Error && err == nil:
					t.Errorf("%s: rendered %q, Python fails", c.Name, got)
				case !c.Error && err != nil:
					t.Errorf("%s: %v", c.Name, err)
				case !c.Error && got != *c.Want:
					t.Errorf("%s:\n got %q\nwant %q", c.Name, got, *c.Want)
				case err != nil && !IsTemplateError(err):
					t.Errorf("%s: the error %v is not of the package", c.Name, err)
				}
			}
		})
	}
}

func renderText(source string, variables *Dict) (string, error) {
	compiled, err := Compile(source)
	if err != nil {
		return "", err
	}
	return compiled.Render(context.Background(), variables, Environment{Clock: recordedClock})
}
