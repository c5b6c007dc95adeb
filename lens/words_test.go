package lens

import "testing"

func TestIsWord(t *testing.T) {
	for text, want := range map[string]bool{
		"dog": true, " dog": true, "\tdog\n": true, "2024": true, "½": true, "日本": true, "don't": true, " well-known": true, "l’eau": true,
		"\x1cdog\x1f": true, "\u00a0é": true, "a-b'c": true,
		"": false, " ": false, "'t": false, "dogs'": false, "-": false, "a b": false, "dog.": false, "<|im_end|>": false, "a<|b": false,
		"<bos>": false, "\uFFFD": false, "नमस्ते": false, "_": false, "a_b": false, "’a": false,
	} {
		if got := IsWord(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestVocabularyFindsTokens(t *testing.T) {
	texts := []string{"a", " dog", "dog", " dog", "\n", "", "Cat ", " Cat"}
	v := NewVocabulary(len(texts), func(id int) string { return texts[id] })
	for text, want := range map[string]int{"a": 0, "dog": 2, " dog": 1, "dog ": 1, "Cat": 6, "\n": 4, "": -1, "cat": -1, " ": -1} {
		id, found := v.Find(text)
		if found != (want >= 0) || found && id != want {
			t.Errorf("%q: %d, %v, want %d", text, id, found, want)
		}
	}
	for id, text := range texts {
		if v.words[id] != IsWord(text) {
			t.Errorf("%q: word %v", text, v.words[id])
		}
	}
}
