package pyrepr

import "testing"

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"mlp_out": "'mlp_out'", "": "''", "it's": `"it's"`, "say \"it's\"\n": `'say "it\'s"\n'`, "a b\t\r": `'a b\t\r'`,
		"a\\b": `'a\\b'`, "\x00é\u200b": `'\x00é\u200b'`, "\U000e0001": `'\U000e0001'`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
