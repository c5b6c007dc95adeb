package lens

import (
	"runtime"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// IsWord reports whether the text of a token is a word or a number: letters and digits, with
// apostrophes and hyphens inside, and blanks around it. Marks that combine with a letter are
// none of them, as in the web application that shows the tokens.
func IsWord(text string) bool {
	word := strings.TrimFunc(text, blank)
	if word == "" || strings.Contains(word, "<|") || word[0] == '<' && word[len(word)-1] == '>' {
		return false
	}
	for at, r := range word {
		inside := at > 0 && at+utf8.RuneLen(r) < len(word)
		joiner := r == '\'' || r == '-' || r == '’'
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !(joiner && inside) {
			return false
		}
	}
	return true
}

// blank is what Python's strip takes away.
func blank(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// Vocabulary is the tokens of a model by id, as they are shown: ids that only pad the output
// matrix have no text.
type Vocabulary struct {
	Texts []string
	words []bool
}

// NewVocabulary asks for the text of every id. text is called from several goroutines.
func NewVocabulary(size int, text func(id int) string) *Vocabulary {
	v := &Vocabulary{Texts: make([]string, size), words: make([]bool, size)}
	var parts sync.WaitGroup
	count := runtime.GOMAXPROCS(0)
	for part := range count {
		parts.Go(func() {
			for id := part * size / count; id < (part+1)*size/count; id++ {
				v.Texts[id] = text(id)
				v.words[id] = IsWord(v.Texts[id])
			}
		})
	}
	parts.Wait()
	return v
}

// Find gives the id of the token with this text, the lowest of several: exactly this text, or
// else the same without the blanks around it.
func (v *Vocabulary) Find(text string) (id int, found bool) {
	trimmed, near := strings.TrimFunc(text, blank), -1
	if text == "" {
		return 0, false
	}
	for id, candidate := range v.Texts {
		if candidate == text {
			return id, true
		}
		if near < 0 && trimmed != "" && strings.TrimFunc(candidate, blank) == trimmed {
			near = id
		}
	}
	return near, near >= 0
}
