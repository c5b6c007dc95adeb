package suggest

import "testing"

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
