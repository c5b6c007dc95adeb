package settings

import (
	"fmt"
	"os"
	"strings"
)

// ReadFile reads an environment file: NAME=VALUE lines, blank lines and # comments, an
// optional leading "export", values bare or in single or double quotes. An error names the
// line by its number and never shows the value.
func ReadFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("environment file: %w", err)
	}
	values := map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'") {
			return nil, fmt.Errorf("environment file %s: line %d is not NAME=VALUE", path, i+1)
		}
		unquoted, err := unquote(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("environment file %s: line %d: %w", path, i+1, err)
		}
		values[name] = unquoted
	}
	return values, nil
}

// unquote takes quotes off a value, or a trailing comment off a bare one. In double
// quotes \n, \" and \\ are escapes, as in other readers of such files.
func unquote(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	quote := value[0]
	if quote != '"' && quote != '\'' {
		if i := strings.Index(value, " #"); i >= 0 {
			value = strings.TrimSpace(value[:i])
		}
		return value, nil
	}
	var out strings.Builder
	for i := 1; i < len(value); i++ {
		c := value[i]
		switch {
		case c == quote:
			if rest := strings.TrimSpace(value[i+1:]); rest != "" && rest[0] != '#' {
				return "", fmt.Errorf("text after the closing quote")
			}
			return out.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(value):
			i++
			if value[i] == 'n' {
				out.WriteByte('\n')
			} else {
				out.WriteByte(value[i])
			}
		default:
			out.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the quote is not closed")
}
