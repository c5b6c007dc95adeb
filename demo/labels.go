package demo

import (
	"compress/gzip"
	"encoding/json"
	"strings"
	"sync"
)

// Feature says what one feature of a source was seen to fire on in held-out text of the corpus.
type Feature struct {
	// Label is the statement that fits the feature, such as "colour words" or "“a” before
	// animals"; empty where none fits.
	Label string `json:"label"`
	// Precision is the share of the feature's activation on tokens that Label is true of.
	Precision float64 `json:"precision"`
	// Recall is the share of those tokens on which it fires; 0 where Label only lists tokens.
	Recall float64 `json:"recall"`
	// Density is the share of all tokens on which it fires, Max its largest activation there.
	Density float64 `json:"density"`
	Max     float64 `json:"max"`
	// Tokens are those with most of its activation, most first.
	Tokens []string `json:"tokens"`
	// Promotes are the tokens its decoder row raises most when it is added before the unembedding.
	Promotes []string `json:"promotes"`
	// Snippets are places where it fires strongly, the token in [[ ]].
	Snippets []string `json:"snippets"`
}

// Source is a source's measured quality and its features, by index.
type Source struct {
	Source            string    `json:"source"`
	L0                float64   `json:"l0"`
	ExplainedVariance float64   `json:"explainedVariance"`
	Features          []Feature `json:"features"`
}

// Sources returns what is known of every source, in layer order. The first call unpacks it.
var Sources = sync.OnceValue(func() []Source {
	var file struct {
		Sources []Source `json:"sources"`
	}
	if err := readLabels(&file); err != nil {
		panic("labels.json.gz in the binary: " + err.Error()) // a test reads the same bytes
	}
	return file.Sources
})

func readLabels(into any) error {
	packed, err := Files().Open("labels.json.gz")
	if err != nil {
		return err
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return err
	}
	return json.NewDecoder(unpacked).Decode(into)
}

// Label returns a feature's label, such as "colour words"; where it has none, the tokens it
// fires on most: "on “the”, “a”, …". It is empty for an unknown source or feature, and for a
// feature that never fired.
func Label(source string, feature int) string {
	for _, s := range Sources() {
		if s.Source != source || feature < 0 || feature >= len(s.Features) {
			continue
		}
		f := s.Features[feature]
		if f.Label != "" || len(f.Tokens) == 0 {
			return f.Label
		}
		var quoted []string
		for _, token := range f.Tokens[:min(3, len(f.Tokens))] {
			quoted = append(quoted, "“"+strings.ReplaceAll(strings.TrimSpace(token), "\n", "⏎")+"”")
		}
		return "on " + strings.Join(quoted, ", ") + ", …"
	}
	return ""
}
