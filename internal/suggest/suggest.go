// Package suggest finds the word somebody probably meant.
package suggest

import (
	"cmp"
	"slices"
	"strings"
)

// Nearest returns the candidate closest to word, or "" when none is close enough to be
// meant. Distance is the number of letters changed, added, dropped or swapped; a third of
// the longer word may differ. A candidate that contains word counts as close.
func Nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, bestDistance := "", 1<<30
	for _, candidate := range candidates {
		lower := strings.ToLower(candidate)
		d := distance(word, lower)
		limit := max(len(word), len(lower)) / 3
		if len(word) >= 4 && strings.Contains(lower, word) {
			d = min(d, limit)
		}
		if d <= limit && d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// DidYouMean returns `; did you mean "x"?` for the nearest candidate, or "".
func DidYouMean(word string, candidates []string) string {
	if near := Nearest(word, candidates); near != "" {
		return `; did you mean "` + near + `"?`
	}
	return ""
}

// longestName is more bytes than any name has that somebody types.
const longestName = 200

// Similar returns up to three of the known names that a mistyped one may have meant, best
// first: those within a third of its length, and those that contain it.
func Similar(name string, known []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	if len(name) > longestName {
		return nil // nobody mistyped this, and comparing it would take long
	}
	var candidates []candidate
	lower := strings.ToLower(name)
	for _, other := range known {
		d := distance(lower, strings.ToLower(other))
		if d <= max(1, len(name)/3) || (len(name) >= 3 && strings.Contains(strings.ToLower(other), lower)) {
			candidates = append(candidates, candidate{other, d})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, c := range candidates[:min(3, len(candidates))] {
		names = append(names, c.name)
	}
	return names
}

// DidYouMeanOneOf returns `; did you mean a, b?` for what Similar found, or "".
func DidYouMeanOneOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, ", ") + "?"
}

// distance is the optimal string alignment distance of two words.
func distance(a, b string) int {
	before, previous := make([]int, len(b)+1), make([]int, len(b)+1)
	current := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
