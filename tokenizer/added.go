package tokenizer

import (
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AddedToken is a token found in the raw text before the model sees it, from "added_tokens"
// in tokenizer.json or named by the configuration.
type AddedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // only between non-word characters
	LStrip     bool   `json:"lstrip"`      // takes the white space before it along
	RStrip     bool   `json:"rstrip"`      // takes the white space behind it along
	Normalized bool   `json:"normalized"`  // found in the normalized text, not the raw one
	Special    bool   `json:"special"`     // left out when special tokens are skipped
}

// addedTokens finds added tokens in texts.
type addedTokens struct {
	list       []AddedToken // by id
	byID       map[int]int  // id → index in list
	byContent  map[string]int
	raw        matchSet // tokens looked for before normalization
	normalized matchSet // and after it
}

func newAddedTokens() *addedTokens {
	return &addedTokens{byID: map[int]int{}, byContent: map[string]int{}}
}

// put takes in a token whose content is new.
func (a *addedTokens) put(token AddedToken) {
	a.byContent[token.Content] = len(a.list)
	a.list = append(a.list, token)
}

// finish sorts the tokens and builds the match sets.
func (a *addedTokens) finish(normalize normalizer) {
	slices.SortStableFunc(a.list, func(x, y AddedToken) int { return x.ID - y.ID })
	for i, token := range a.list {
		a.byID[token.ID], a.byContent[token.Content] = i, i
		if !token.Normalized {
			a.raw.add(token.Content, i)
		} else if normalize == nil {
			a.normalized.add(token.Content, i)
		} else {
			a.normalized.add(normalize(token.Content), i)
		}
	}
	a.raw.finish()
	a.normalized.finish()
}

func (a *addedTokens) isSpecial(id int) bool {
	i, ok := a.byID[id]
	return ok && a.list[i].Special
}

// part is a stretch of text: an added token, or text in between (token < 0).
type part struct {
	start, end int
	token      int // index in addedTokens.list
}

// split cuts text at the tokens of a set, leftmost first, of those the longest.
func (a *addedTokens) split(text string, set *matchSet) []part {
	var parts []part
	done := 0 // end of the last part
	for i := 0; i < len(text); {
		index, length := set.match(text, i)
		if length == 0 {
			i++
			continue
		}
		token := &a.list[index]
		start, end := i, i+length
		i = end
		if token.SingleWord && (endsInWord(text[:start]) || beginsWithWord(text[end:])) {
			continue
		}
		if token.LStrip {
			start = max(done, len(strings.TrimRightFunc(text[:start], unicode.IsSpace)))
		}
		if token.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		start = max(start, done)
		if start > done {
			parts = append(parts, part{done, start, -1})
		}
		parts = append(parts, part{start, end, index})
		done = max(done, end)
	}
	if done < len(text) {
		parts = append(parts, part{done, len(text), -1})
	}
	return parts
}

func endsInWord(text string) bool {
	r, size := utf8.DecodeLastRuneInString(text)
	return size > 0 && isWord(r)
}

func beginsWithWord(text string) bool {
	r, size := utf8.DecodeRuneInString(text)
	return size > 0 && isWord(r)
}

// matchSet finds the longest of many strings at a position: sorted, so that those sharing
// a prefix lie side by side and each further byte narrows the range.
type matchSet struct {
	texts   []string
	indexes []int // into addedTokens.list
	begin   [257]int32
}

func (m *matchSet) add(text string, index int) {
	if text != "" {
		m.texts = append(m.texts, text)
		m.indexes = append(m.indexes, index)
	}
}

// Len implements sort.Interface.
func (m *matchSet) Len() int { return len(m.texts) }

// Less implements sort.Interface.
func (m *matchSet) Less(i, j int) bool { return m.texts[i] < m.texts[j] }

// Swap implements sort.Interface.
func (m *matchSet) Swap(i, j int) {
	m.texts[i], m.texts[j] = m.texts[j], m.texts[i]
	m.indexes[i], m.indexes[j] = m.indexes[j], m.indexes[i]
}

func (m *matchSet) finish() {
	sort.Stable(m)
	for b := range m.begin {
		m.begin[b] = int32(sort.Search(len(m.texts), func(i int) bool { return int(m.texts[i][0]) >= b }))
	}
}

// match returns index and length of the longest string at text[i:], length 0 if none.
func (m *matchSet) match(text string, i int) (index, length int) {
	low, high := int(m.begin[text[i]]), int(m.begin[int(text[i])+1])
	for depth := 1; low < high; depth++ {
		if len(m.texts[low]) == depth { // sorts before its own extensions
			index, length = m.indexes[low], depth
			low++
		}
		if i+depth == len(text) {
			break
		}
		next := text[i+depth]
		rest := m.texts[low:high]
		first := sort.Search(len(rest), func(k int) bool { return byteAt(rest[k], depth) >= int(next) })
		after := sort.Search(len(rest), func(k int) bool { return byteAt(rest[k], depth) > int(next) })
		low, high = low+first, low+after
	}
	return index, length
}

// byteAt returns the byte at i, -1 behind the end.
func byteAt(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	return int(s[i])
}
