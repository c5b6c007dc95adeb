package jinja

import (
	"strings"
	"unicode"
)

// textMethods are the methods of strings. All of them pay for reading their text.
var textMethods = map[string]method{
	"upper":        textToText("upper", upper),
	"lower":        textToText("lower", lower),
	"casefold":     textToText("casefold", lower),
	"title":        textToText("title", title),
	"capitalize":   textToText("capitalize", capitalize),
	"swapcase":     textToText("swapcase", swapCase),
	"strip":        stripMethod("strip", true, true),
	"lstrip":       stripMethod("lstrip", true, false),
	"rstrip":       stripMethod("rstrip", false, true),
	"split":        splitMethod("split", split),
	"rsplit":       splitMethod("rsplit", splitFromRight),
	"splitlines":   splitLinesMethod,
	"partition":    partition("partition", strings.Index),
	"rpartition":   partition("rpartition", strings.LastIndex),
	"replace":      replaceMethod,
	"join":         joinMethod,
	"startswith":   affixMethod("startswith", strings.HasPrefix),
	"endswith":     affixMethod("endswith", strings.HasSuffix),
	"removeprefix": removeAffix("removeprefix", strings.TrimPrefix),
	"removesuffix": removeAffix("removesuffix", strings.TrimSuffix),
	"find":         findMethod("find", strings.Index, false),
	"rfind":        findMethod("rfind", strings.LastIndex, false),
	"index":        findMethod("index", strings.Index, true),
	"rindex":       findMethod("rindex", strings.LastIndex, true),
	"count":        countMethod,
	"center":       padMethod("center"),
	"ljust":        padMethod("ljust"),
	"rjust":        padMethod("rjust"),
	"zfill":        zeroFill,
	"format":       formatMethod,
	"isalpha":      every("isalpha", unicode.IsLetter),
	"isdigit":      every("isdigit", unicode.IsDigit),
	"isdecimal":    every("isdecimal", unicode.IsDigit),
	"isnumeric":    every("isnumeric", unicode.IsNumber),
	"isalnum":      every("isalnum", func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"isspace":      every("isspace", IsSpace),
	"isascii":      asciiMethod,
	"isupper":      caseMethod("isupper", unicode.IsUpper, unicode.IsLower),
	"islower":      caseMethod("islower", unicode.IsLower, unicode.IsUpper),
}

func textToText(name string, convert func(string) string) method {
	return func(m *machine, self Value, a arguments) Value {
		a.positionalOnly(name, 0)
		m.spendText(len(self.(string)))
		return m.made(convert(self.(string)))
	}
}

func stripMethod(name string, left, right bool) method {
	return func(m *machine, self Value, a arguments) Value {
		p := a.positionalOnly(name, 0, "chars")
		return m.strip(self.(string), or(p[0], nil), left, right)
	}
}

// strip removes characters from the ends of a text: those in chars, white space for None.
func (m *machine) strip(s string, chars Value, left, right bool) string {
	m.spendText(len(s))
	drop := IsSpace
	if chars != nil {
		set := textArgument(chars, "strip arg")
		drop = func(r rune) bool { return strings.ContainsRune(set, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, drop)
	}
	if right {
		s = strings.TrimRightFunc(s, drop)
	}
	return s
}

func splitMethod(name string, cut func(s, separator string, most int) []string) method {
	return func(m *machine, self Value, a arguments) Value {
		p := a.bind(name, 0, "sep", "maxsplit")
		s := self.(string)
		m.spendText(len(s))
		most := int(max(integer(or(p[1], int64(-1)), "maxsplit"), -1))
		separator := ""
		if given := or(p[0], nil); given != nil {
			if separator = textArgument(given, "sep"); separator == "" {
				fail("empty separator")
			}
		}
		pieces := strings.Count(s, separator)
		if separator == "" {
			pieces = countSpaces(s)
		}
		m.spend(pieces)
		return m.texts(cut(s, separator, most))
	}
}

// texts returns texts as a list.
func (m *machine) texts(texts []string) List {
	m.spendItems(len(texts))
	list := make(List, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

func splitLinesMethod(m *machine, self Value, a arguments) Value {
	p := a.bind("splitlines", 0, "keepends")
	m.spendText(len(self.(string)))
	return m.texts(splitLines(self.(string), Truth(or(p[0], false))))
}

func partition(name string, find func(s, part string) int) method {
	return func(m *machine, self Value, a arguments) Value {
		separator := textArgument(a.positionalOnly(name, 1, "sep")[0], "sep")
		if separator == "" {
			fail("empty separator")
		}
		s := self.(string)
		m.spendText(len(s))
		switch at := find(s, separator); {
		case at >= 0:
			return Tuple{s[:at], separator, s[at+len(separator):]}
		case name == "partition":
			return Tuple{s, "", ""}
		}
		return Tuple{"", "", s}
	}
}

func replaceMethod(m *machine, self Value, a arguments) Value {
	p := a.positionalOnly("replace", 2, "old", "new", "count")
	old, with := textArgument(p[0], "replace() argument 1"), textArgument(p[1], "replace() argument 2")
	return m.replace(self.(string), old, with, integer(or(p[2], int64(-1)), "count"))
}

// replace replaces the first count occurrences, all for a negative count.
func (m *machine) replace(s, old, with string, count int64) string {
	m.spendText(len(s))
	found := int64(strings.Count(s, old))
	if count >= 0 {
		found = min(found, count)
	}
	if growth := len(with) - len(old); growth > 0 {
		m.spendText(product(growth, found))
	}
	return m.made(strings.Replace(s, old, with, int(found)))
}

func joinMethod(m *machine, self Value, a arguments) Value {
	items := m.iterate(a.positionalOnly("join", 1, "iterable")[0])
	texts := make([]string, len(items))
	for i, item := range items {
		t, ok := item.(string)
		if !ok {
			use(item)
			fail("sequence item %d: expected str instance, %s found", i, typeName(item))
		}
		texts[i] = t
	}
	return m.join(texts, self.(string))
}

// join joins texts, paying before it builds the result.
func (m *machine) join(texts []string, separator string) string {
	size := product(len(separator), int64(len(texts)))
	for _, t := range texts {
		size += len(t)
		if size > maxText {
			break
		}
	}
	m.spendText(size)
	return strings.Join(texts, separator)
}

func padMethod(name string) method {
	return func(m *machine, self Value, a arguments) Value {
		p := a.positionalOnly(name, 1, "width", "fillchar")
		fill := textArgument(or(p[1], " "), "fillchar")
		if len([]rune(fill)) != 1 {
			fail("The fill character must be exactly one character long")
		}
		return m.pad(self.(string), integer(p[0], "width"), fill, map[string]byte{"center": '^', "ljust": '<', "rjust": '>'}[name])
	}
}

// pad fills a text up to a width: behind it ('<'), before it ('>') or around it ('^').
func (m *machine) pad(s string, width int64, fill string, align byte) string {
	missing := width - m.length(s)
	if missing <= 0 {
		return s
	}
	m.spendText(product(len(fill), missing))
	left := int64(0)
	switch align {
	case '>':
		left = missing
	case '^':
		left = missing/2 + missing&width&1
	}
	return strings.Repeat(fill, int(left)) + s + strings.Repeat(fill, int(missing-left))
}

func zeroFill(m *machine, self Value, a arguments) Value {
	width := integer(a.positionalOnly("zfill", 1, "width")[0], "width")
	s := self.(string)
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign = s[:1]
	}
	return sign + m.pad(s[len(sign):], width-int64(len(sign)), "0", '>')
}

func every(name string, is func(rune) bool) method {
	return func(m *machine, self Value, a arguments) Value {
		a.positionalOnly(name, 0)
		s := self.(string)
		m.spendText(len(s))
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !is(r) }) < 0
	}
}

func asciiMethod(m *machine, self Value, _ arguments) Value {
	m.spendText(len(self.(string)))
	return strings.IndexFunc(self.(string), func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// caseMethod is true for texts with letters of one case and none of the other.
func caseMethod(name string, is, isNot func(rune) bool) method {
	return func(m *machine, self Value, a arguments) Value {
		a.positionalOnly(name, 0)
		s := self.(string)
		m.spendText(len(s))
		return strings.IndexFunc(s, is) >= 0 && strings.IndexFunc(s, isNot) < 0
	}
}
