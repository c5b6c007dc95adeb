package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/dlclark/regexp2/v2"
)

// small is a complete tokenizer.json; %s stand for its stages and model settings.
const small = `{"added_tokens":[],"normalizer":%s,"pre_tokenizer":%s,"post_processor":%s,"decoder":%s,
"model":{"type":"BPE",%s"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`

func TestLoadErrorsNameTheCause(t *testing.T) {
	stage := func(normalizer, pretokenizer, postprocessor, decoder, model string) string {
		return fmt.Sprintf(small, normalizer, pretokenizer, postprocessor, decoder, model)
	}
	null := "null"
	split := func(pattern string) string {
		text, _ := json.Marshal(pattern)
		return stage(null, `{"type":"Split","behavior":"Isolated","pattern":{"Regex":`+string(text)+`}}`, null, null, "")
	}
	for text, want := range map[string]string{
		"":   "neither tokenizer.json nor vocab.json",
		"{}": "no model",
		`{"model":{"type":"Unigram","vocab":[["a",0]]}}`:                                                    "only BPE",
		`{"model":{"type":"WordPiece","vocab":{"a":0},"merges":[]}}`:                                        "WordPiece",
		`{"model":{"type":"BPE","vocab":{"a":0}}}`:                                                          "vocab and merges",
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`:                                         `"a" and "b"`,
		`{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}`:                                          "one space",
		`{"model":{"type":"BPE","vocab":{"a":99999999},"merges":[]}}`:                                       "too large",
		`{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`:                                             "token id",
		`{"model":{"type":"BPE","vocab":{"a\q":1},"merges":[]}}`:                                            "bad escape",
		stage(`{"type":"Precompiled"}`, null, null, null, ""):                                               `normalizer "Precompiled" is not supported`,
		stage(null, `{"type":"UnicodeScripts"}`, null, null, ""):                                            `pre-tokenizer "UnicodeScripts" is not supported`,
		stage(null, null, `{"type":"Other"}`, null, ""):                                                     `post-processor "Other" is not supported`,
		stage(null, null, null, `{"type":"CTC"}`, ""):                                                       `decoder: "CTC" is not supported`,
		stage(null, null, null, null, `"dropout":0.1,`):                                                     "dropout",
		stage(null, null, null, null, `"unk_token":"?",`):                                                   `unk_token "?"`,
		stage(null, `{"type":"Sequence","pretokenizers":[{"type":"Deep"}]}`, null, null, ""):                `"Deep"`,
		stage(null, null, `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]}`, null, ""): `"x" has no ids`,
		stage(null, `{"type":"Split","behavior":"Odd","pattern":{"String":"a"}}`, null, null, ""):           `"Odd"`,
		stage(null, `{"type":"Split","behavior":"Removed","pattern":{}}`, null, null, ""):                   "neither",
		stage(null, `{"type":"Metaspace","replacement":"ab"}`, null, null, ""):                              "one character",
		stage(null, `{"type":"Metaspace","replacement":"_","prepend_scheme":"odd"}`, null, null, ""):        `"odd"`,
		split("("):           "pattern",
		split(`\w+`):         `\\w`,
		split(`[a-z&&[^b]]`): "class within a class",
		split(`(?m:.)`):      "(?m",
	} {
		_, err := Load(Files{Tokenizer: []byte(text)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n error %v\nshould hold %q", text, err, want)
		}
	}
	for config, want := range map[string]string{
		`[]`:                                "tokenizer_config.json",
		`{"extra_special_tokens":3}`:        "extra_special_tokens",
		`{"chat_template":3}`:               "chat_template",
		`{"added_tokens_decoder":{"x":{}}}`: "not a token id",
	} {
		_, err := Load(Files{Tokenizer: []byte(stage(null, null, null, null, "")), Config: []byte(config)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n error %v\nshould hold %q", config, err, want)
		}
	}
}

// TestDamagedFiles cuts and alters a file everywhere: an error or a tokenizer, no panic.
func TestDamagedFiles(t *testing.T) {
	whole := fmt.Sprintf(small, `{"type":"NFC"}`, `{"type":"ByteLevel"}`, "null", `{"type":"ByteLevel"}`, `"unk_token":"a",`)
	for i := range len(whole) {
		if _, err := Load(Files{Tokenizer: []byte(whole[:i])}); err == nil {
			t.Errorf("the first %d bytes pass for a tokenizer", i)
		}
		for _, c := range []byte("\"\\,:{}[]0 \n\xff") {
			damaged := []byte(whole)
			damaged[i] = c
			if tokenizer, err := Load(Files{Tokenizer: damaged}); err == nil {
				tokenizer.Decode(tokenizer.Encode("abba c", true), true)
			}
		}
	}
}

// TestMergesInParts checks that merges read in parts keep their ranks, in both spellings
// and with keys before, between and behind.
func TestMergesInParts(t *testing.T) {
	var vocab, lines, pairs []string
	for i := range 60_000 {
		vocab = append(vocab, fmt.Sprintf("%q: %d", fmt.Sprintf("%c", 0x4e00+i%20000)+strings.Repeat("x", i/20000), i))
	}
	vocab = append(vocab, `"x": 60000`)
	for i := range 40_000 {
		token := fmt.Sprintf("%c", 0x4e00+i%20000) + strings.Repeat("x", i/20000)
		lines = append(lines, fmt.Sprintf("%q", token+" x"))
		pairs = append(pairs, fmt.Sprintf("[\n%q,\n%q\n%s]", token, "x", strings.Repeat(" ", 60)))
	}
	for _, merges := range []string{strings.Join(lines, ",\n"+strings.Repeat(" ", 60)), strings.Join(pairs, ",\n"), strings.Join(pairs, ",")} {
		for _, model := range []string{
			`{"vocab":{` + strings.Join(vocab, ",\n") + `},"merges":[` + merges + `],"type":"BPE"}`,
			`{"type":"BPE","merges":[` + merges + "\n],\n" + `"vocab":{` + strings.Join(vocab, ",\n") + `}}`,
		} {
			m, err := parseModel(&scanner{data: []byte(model)})
			if err != nil {
				t.Fatal(err)
			}
			for i := range int32(40_000) {
				if rank, into, ok := m.merges.get(i, 60_000); rank != uint32(i) || into != i+20_000 || !ok {
					t.Fatalf("merge %d: rank %d, into %d, %v", i, rank, into, ok)
				}
			}
		}
	}
}

// TestKnownPatterns compares the hand-written scanners with the engine.
func TestKnownPatterns(t *testing.T) {
	for pattern, match := range knownPatterns {
		expression := regexp2.MustCompile(pattern)
		for seed := range uint64(3000) {
			text := lossy([]byte(randomText(rand.New(rand.NewPCG(seed, 4)))))
			if strings.ContainsFunc(text, func(r rune) bool { _, ok := newerClass(r); return ok || !unicode.IsPrint(r) && r > 0x3000 }) {
				continue // characters younger than the engine's tables
			}
			got, want := findKnown(text, match), findExpression(text, expression)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%s\non %q:\n got %v\nwant %v", pattern, text, got, want)
			}
		}
	}
}

func TestLossyReplacesMaximalParts(t *testing.T) {
	for in, want := range map[string]string{
		"a\xffb":                       "a\ufffdb",
		"\x80\x80\x80":                 "\ufffd\ufffd\ufffd",
		"\xe4\xb8":                     "\ufffd",
		"\xf0\x9f\x98":                 "\ufffd",
		"\xf0\x9f\x98a":                "\ufffda",
		"\xe0\x80\x80":                 "\ufffd\ufffd\ufffd",
		"\xed\xa0\x80":                 "\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80":             "\ufffd\ufffd\ufffd\ufffd",
		"\xc0\xaf":                     "\ufffd\ufffd",
		"\xe4\xb8\xe4\xb8\x96\xf0\x9f": "\ufffd世\ufffd",
	} {
		if got := lossy([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if n := completePrefix([]byte(in)); lossy([]byte(in)[:n])+lossy([]byte(in)[n:]) != want {
			t.Errorf("%q cut at %d is not the same as whole", in, n)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`"a\"\\\/\b\f\n\r\t"`:                  "a\"\\/\b\f\n\r\t",
		`"\u00e9\u4E16"`:                       "é世",
		`"\ud83d\ude00!"`:                      "😀!",
		`"\ud83d"`:                             "\ufffd",
		`"\ude00\ud83d\ude00"`:                 "\ufffd😀",
		`"\ud83dx"`:                            "\ufffdx",
		`"\ud83d\u0041"`:                       "\ufffdA",
		`"` + strings.Repeat("x", 600) + `\n"`: strings.Repeat("x", 600) + "\n",
	} {
		s := &scanner{data: []byte(in)}
		if got := s.text(nil); string(got) != want || s.err != nil {
			t.Errorf("%s: %q %v, want %q", in, got, s.err, want)
		}
	}
	for _, in := range []string{`"\`, `"\"`, `"\u12"`, `"\u12g4"`, `"\x41"`, `"a`} {
		s := &scanner{data: []byte(in)}
		if got := s.text(nil); s.err == nil {
			t.Errorf("%s passes for %q", in, got)
		}
	}
}

// TestStripDecoder covers forms of Strip and Replace that no published tokenizer uses.
func TestStripDecoder(t *testing.T) {
	for decoder, want := range map[string]string{
		`{"type":"Strip","content":"b","start":1,"stop":0}`:                                                           "aab",
		`{"type":"Strip","content":"b","start":0,"stop":2}`:                                                           "aa",
		`{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Strip","content":"b","start":2,"stop":1}]}`:          "aab",
		`{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"String":"ba"},"content":"-"}]}`: "-abb",
	} {
		tokenizer, err := Load(Files{Tokenizer: []byte(fmt.Sprintf(small, "null", "null", "null", decoder, ""))})
		if err != nil {
			t.Fatal(err)
		}
		checkDecode(t, tokenizer, []int{1, 0, 2, 1}, false, want) // b a ab b
	}
}
