package suggest

import (
	"slices"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	models := []string{"gpt2-small", "gemma-2-2b", "gemma-2-9b", "llama3.1-8b"}
	for word, want := range map[string]string{
		"gpt2-smal": "gpt2-small", "GPT2-small": "gpt2-small", "gemma-2-2": "gemma-2-2b", "gmema-2-9b": "gemma-2-9b",
		"llama": "llama3.1-8b", "bert": "", "": "",
	} {
		if got := Nearest(word, models); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
	if got := DidYouMean("prot", []string{"port", "host"}); got != `; did you mean "port"?` {
		t.Errorf("DidYouMean: %s", got)
	}
}

func TestSimilar(t *testing.T) {
	sources := []string{"5-res-jb", "6-res-jb", "7-res-jb", "8-res-jb", "7-att-kk", "res"}
	for name, want := range map[string][]string{
		"7-rse-jb": {"7-res-jb", "5-res-jb", "6-res-jb"}, "6-RES-JB": {"6-res-jb", "5-res-jb", "7-res-jb"},
		"att": {"7-att-kk"}, "mlp": nil, "": nil, strings.Repeat("res", 100): nil,
	} {
		if got := Similar(name, sources); !slices.Equal(got, want) {
			t.Errorf("Similar(%q) = %q, want %q", name, got, want)
		}
	}
	if got := DidYouMeanOneOf([]string{"a", "b"}); got != "; did you mean a, b?" {
		t.Errorf("DidYouMeanOneOf: %s", got)
	}
	if got := DidYouMeanOneOf(nil); got != "" {
		t.Errorf("DidYouMeanOneOf of nothing: %s", got)
	}
}
