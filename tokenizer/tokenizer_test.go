package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"npinf/internal/golden"
)

// fixture loads a published tokenizer that is kept with the source.
func fixture(t testing.TB, name string) *Tokenizer {
	t.Helper()
	return loadFolder(t, filepath.Join(golden.ModuleRoot(t), "testdata", "tokenizers", name))
}

func TestPublishedTokenizers(t *testing.T) {
	for _, name := range []string{"gpt2", "qwen3"} {
		t.Run(name, func(t *testing.T) {
			checkRecorded(t, fixture(t, name), filepath.Join(golden.ModuleRoot(t), "testdata", "tokenizers", name, "cases.json"))
		})
	}
}

func TestPromptHasOneBOS(t *testing.T) {
	gpt2, qwen := fixture(t, "gpt2"), fixture(t, "qwen3")
	var llama *Tokenizer
	for _, s := range readSynthetic(t) {
		if s.Name != "llama2" {
			continue
		}
		var err error
		if llama, err = Load(Files{Tokenizer: s.Tokenizer, Config: []byte(`{"bos_token":"<s>"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	hi := llama.Encode("hi", false)
	for _, c := range []struct {
		name      string
		tokenizer *Tokenizer
		text      string
		prepend   bool
		want      []int
	}{
		{"added through the text", gpt2, "Hello", true, []int{50256, 15496}},
		{"already there", gpt2, "<|endoftext|>Hello", true, []int{50256, 15496}},
		{"twice in the text stays twice", gpt2, "<|endoftext|><|endoftext|>", true, []int{50256, 50256}},
		{"empty", gpt2, "", true, []int{50256}},
		{"not wanted", gpt2, "Hello", false, []int{15496}},
		{"no BOS", qwen, "Hello", true, []int{9707}},
		{"no BOS, empty", qwen, "", true, []int{}},
		{"by the tokenizer", llama, "hi", true, append([]int{1}, hi...)},
		{"by the tokenizer, already there", llama, "<s>hi", true, append([]int{1}, hi...)},
		{"by the tokenizer, not wanted", llama, "hi", false, hi},
		{"by the tokenizer, not wanted but there", llama, "<s>hi", false, append([]int{1}, hi...)},
	} {
		if got := c.tokenizer.Prompt(c.text, c.prepend); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if gpt2.PrependsBOS() || qwen.PrependsBOS() || !llama.PrependsBOS() {
		t.Errorf("PrependsBOS: %v %v %v, want false false true", gpt2.PrependsBOS(), qwen.PrependsBOS(), llama.PrependsBOS())
	}
}

func TestAccessors(t *testing.T) {
	gpt2, qwen := fixture(t, "gpt2"), fixture(t, "qwen3")
	if id, text, ok := gpt2.BOS(); id != 50256 || text != "<|endoftext|>" || !ok {
		t.Errorf("GPT-2's BOS is %d %q %v", id, text, ok)
	}
	if _, _, ok := qwen.BOS(); ok {
		t.Error("Qwen has a BOS")
	}
	if got, want := gpt2.specialIDs, []int{50256}; !slices.Equal(got, want) {
		t.Errorf("GPT-2's special ids are %v", got)
	}
	if qwen.model.vocab.count != 151643 || qwen.Size() != 151669 {
		t.Errorf("Qwen's sizes are %d and %d", qwen.model.vocab.count, qwen.Size())
	}
	if think, ok := qwen.TokenID("<think>"); !ok || qwen.IsSpecial(think) {
		t.Errorf("<think> is %d %v: it should be added and not special", think, ok)
	}
	if !qwen.IsSpecial(151644) || qwen.IsSpecial(0) {
		t.Error("<|im_start|> should be special, token 0 not")
	}
	if id, ok := gpt2.TokenID("Ġthe"); id != 262 || !ok {
		t.Errorf("Ġthe is %d %v", id, ok)
	}
	if id, ok := gpt2.TokenID("no such token"); ok {
		t.Errorf("a token that does not exist has id %d", id)
	}
	for id, want := range map[int]string{262: " the", 50256: "<|endoftext|>", 50257: "", -1: "", 1 << 40: "", 447: "\ufffd", 222: "\ufffd"} {
		for range 2 { // the second time from memory
			if got := gpt2.TokenString(id); got != want {
				t.Errorf("TokenString(%d) = %q, want %q", id, got, want)
			}
		}
	}
	roles := gpt2.SpecialTokens()
	for _, role := range []string{"bos_token", "eos_token", "unk_token", "pad_token"} {
		if roles[role] != "<|endoftext|>" {
			t.Errorf("GPT-2's %s is %q", role, roles[role])
		}
	}
	if gpt2.ChatTemplate() != "" || !strings.Contains(qwen.ChatTemplate(), "<|im_start|>") {
		t.Error("GPT-2 should have no chat template and Qwen one")
	}
}

func TestChatTemplateSources(t *testing.T) {
	files := folderFiles(t, filepath.Join(golden.ModuleRoot(t), "testdata", "tokenizers", "gpt2"))
	for _, c := range []struct{ config, file, want string }{
		{`{"chat_template":"a"}`, "", "a"},
		{`{"chat_template":"a"}`, "b", "b"},
		{`{"chat_template":null}`, "", ""},
		{`{"chat_template":[{"name":"rag","template":"r"},{"name":"default","template":"d"}]}`, "", "d"},
		{`{"chat_template":[{"name":"rag","template":"r"}]}`, "", ""},
	} {
		files.Config, files.ChatTemplate = []byte(c.config), []byte(c.file)
		tokenizer, err := Load(files)
		if err != nil {
			t.Fatal(err)
		}
		if got := tokenizer.ChatTemplate(); got != c.want {
			t.Errorf("%s with file %q: %q, want %q", c.config, c.file, got, c.want)
		}
	}
}

// TestGPT2Files builds GPT-2's tokenizer from vocab.json and merges.txt.
func TestGPT2Files(t *testing.T) {
	whole := fixture(t, "gpt2")
	var vocab, merges strings.Builder
	for id := range whole.model.vocab.count {
		token, _ := whole.model.vocab.text(id)
		fmt.Fprintf(&vocab, "%s%q:%d", map[bool]string{true: "{", false: ","}[id == 0], token, id)
	}
	vocab.WriteString("}")
	merges.WriteString("#version: 0.2\n")
	byRank := make([]string, 50000)
	for _, slot := range whole.model.merges.slots {
		if slot.into != 0 {
			left, _ := whole.model.vocab.text(int(slot.pair >> 32))
			right, _ := whole.model.vocab.text(int(uint32(slot.pair)))
			byRank[slot.rank] = left + " " + right + "\n"
		}
	}
	merges.WriteString(strings.Join(byRank, ""))
	pair, err := Load(Files{GPT2Vocab: []byte(vocab.String()), GPT2Merges: []byte(merges.String())})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(200) {
		text := randomText(rand.New(rand.NewPCG(seed, 1))) + "<|endoftext|>"
		if a, b := whole.Prompt(text, true), pair.Prompt(text, true); !slices.Equal(a, b) {
			t.Fatalf("%q: %v from tokenizer.json, %v from vocab.json", text, a, b)
		}
	}
}

// randomText mixes letters of many scripts, spaces, digits, contractions and raw bytes.
func randomText(r *rand.Rand) string {
	bits := []string{" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "'s", "'LL", "'ſ", "the", "Don't", "HTTPServer", "naïve", "e\u0301",
		"世界", "ไทย", "हिन्दी", "עברית", "한국어", "😀", "👨\u200d👩\u200d👧", "123", "4567890", "½", "٣", "/", "...", "?!", "_", "<|im_start|>", "<think>", "ǅ", "\u0301", "\x00"}
	var out strings.Builder
	for range r.IntN(24) {
		switch r.IntN(10) {
		case 0:
			out.WriteByte(byte(r.IntN(256)))
		case 1:
			out.WriteRune(rune(r.IntN(0x11000)))
		default:
			out.WriteString(bits[r.IntN(len(bits))])
		}
	}
	return out.String()
}

// TestRoundTrip checks on random text, raw bytes included, that nothing panics and that
// byte-level tokenizers lose nothing.
func TestRoundTrip(t *testing.T) {
	gpt2, qwen := fixture(t, "gpt2"), fixture(t, "qwen3")
	for seed := range uint64(3000) {
		text := randomText(rand.New(rand.NewPCG(seed, 2)))
		want := lossy([]byte(text))
		if got := gpt2.Decode(gpt2.Encode(text, true), false); got != want {
			t.Fatalf("GPT-2: %q came back as %q", want, got)
		}
		if got := qwen.Decode(qwen.Encode(text, true), false); got != qwen.normalize(want) {
			t.Fatalf("Qwen: %q came back as %q", want, got)
		}
		d, got := gpt2.NewDecoder(), ""
		for _, id := range gpt2.Encode(text, true) {
			part := d.Push(id)
			if strings.Contains(part, "\ufffd") && !strings.Contains(want, "\ufffd") {
				t.Fatalf("%q: a character was torn: %q", want, part)
			}
			got += part
		}
		if got += d.Flush(); got != want {
			t.Fatalf("%q came back in parts as %q", want, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	tokenizer := fixture(t, "gpt2")
	texts := make([]string, 50)
	want := make([][]int, len(texts))
	for i := range texts {
		texts[i] = randomText(rand.New(rand.NewPCG(uint64(i), 3)))
		want[i] = tokenizer.Encode(texts[i], true)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for i, text := range texts {
				ids := tokenizer.Encode(text, true)
				if !slices.Equal(ids, want[i]) {
					t.Errorf("%q: %v, want %v", text, ids, want[i])
				}
				if joined := tokenizer.Decode(ids, false); !utf8.ValidString(joined) {
					t.Errorf("%q decodes to invalid UTF-8", text)
				}
				for _, id := range ids {
					tokenizer.TokenString(id)
				}
			}
		})
	}
	wait.Wait()
}
