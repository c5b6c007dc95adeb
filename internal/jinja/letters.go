package jinja

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// Python maps case by the full rules of Unicode ("ß" becomes "SS", a final "Σ" becomes "ς"),
// which Go's strings package does not.

func upper(s string) string { return cases.Upper(language.Und).String(s) }

func lower(s string) string { return cases.Lower(language.Und).String(s) }

// capitalize is Python's str.capitalize.
func capitalize(s string) string {
	first, rest := cutFirst(s)
	return titleCase(first) + lower(rest)
}

// title is Python's str.title: a letter behind a letter is lower case, others are title case.
func title(s string) string {
	var out strings.Builder
	inside := false
	for _, r := range s {
		switch {
		case !unicode.IsLetter(r):
			out.WriteRune(r)
		case inside:
			out.WriteString(lower(string(r)))
		default:
			out.WriteString(titleCase(string(r)))
		}
		inside = unicode.IsLetter(r)
	}
	return out.String()
}

// titleCase returns one character in title case.
func titleCase(s string) string {
	if s == "ß" {
		return "Ss"
	}
	return strings.ToTitle(s)
}

func swapCase(s string) string {
	var out strings.Builder
	for _, r := range s {
		if unicode.IsUpper(r) {
			out.WriteString(lower(string(r)))
		} else {
			out.WriteString(upper(string(r)))
		}
	}
	return out.String()
}

// cutFirst cuts a text behind its first character.
func cutFirst(s string) (first, rest string) {
	for i := range s {
		if i > 0 {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// split is Python's str.split: at a separator, or at white space for "". A negative most
// means no limit.
func split(s, separator string, most int) []string {
	if separator != "" {
		if most < 0 {
			return strings.Split(s, separator)
		}
		return strings.SplitN(s, separator, most+1)
	}
	var parts []string
	for {
		s = strings.TrimLeftFunc(s, IsSpace)
		if s == "" {
			return parts
		}
		end := strings.IndexFunc(s, IsSpace)
		if end < 0 || len(parts) == most {
			return append(parts, s)
		}
		parts = append(parts, s[:end])
		s = s[end:]
	}
}

func countSpaces(s string) int {
	count := 0
	for _, r := range s {
		if IsSpace(r) {
			count++
		}
	}
	return count
}

// splitFromRight is Python's str.rsplit.
func splitFromRight(s, separator string, most int) []string {
	var parts []string // from the right
	for len(parts) != most {
		if separator == "" {
			s = strings.TrimRightFunc(s, IsSpace)
		}
		at, width := strings.LastIndex(s, separator), len(separator)
		if separator == "" {
			at = strings.LastIndexFunc(s, IsSpace)
			_, width = utf8.DecodeRuneInString(s[max(at, 0):])
		}
		if at < 0 {
			break
		}
		parts = append(parts, s[at+width:])
		s = s[:at]
	}
	if separator == "" {
		s = strings.TrimRightFunc(s, IsSpace)
	}
	if s != "" || separator != "" {
		parts = append(parts, s)
	}
	slices.Reverse(parts)
	return parts
}

// isLineEnd tells the characters at which Python's str.splitlines cuts.
func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

// splitLines is Python's str.splitlines.
func splitLines(s string, keepEnds bool) []string {
	var lines []string
	for s != "" {
		end := strings.IndexFunc(s, isLineEnd)
		if end < 0 {
			return append(lines, s)
		}
		var next int
		switch first, _ := cutFirst(s[end:]); {
		case strings.HasPrefix(s[end:], "\r\n"):
			next = end + 2
		default:
			next = end + len(first)
		}
		if keepEnds {
			lines = append(lines, s[:next])
		} else {
			lines = append(lines, s[:end])
		}
		s = s[next:]
	}
	return lines
}
