package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAgainstPython compares with what Python made of the templates in testdata.
func TestAgainstPython(t *testing.T) {
	raw, err := os.ReadFile("testdata/python.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Variables json.RawMessage
		Cases     []struct {
			Source string
			Want   *string
			Error  any
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil || len(file.Cases) < 200 {
		t.Fatalf("%d cases, %v", len(file.Cases), err)
	}
	variables, err := ParseJSON(file.Variables)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		got, err := renderText(c.Source, variables.(*Dict))
		switch {
		case c.Want == nil && err == nil:
			t.Errorf("%q: rendered %q, Python fails: %v", c.Source, got, c.Error)
		case c.Want == nil && c.Error != true && err.Error() != c.Error:
			t.Errorf("%q: error %q, want %q", c.Source, err, c.Error)
		case c.Want != nil && (err != nil || got != *c.Want):
			t.Errorf("%q:\n got %q %v\nwant %q", c.Source, got, err, *c.Want)
		}
	}
}

// growing doubles a value sixty times.
func growing(value, step, use string) string {
	return "{% set ns = namespace(x=" + value + ") %}{% for i in range(60) %}{% set ns.x = " + step + " %}{% endfor %}" + use
}

// hostile are templates that would run, grow or recurse without end.
var hostile = map[string]string{
	"loops":             "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
	"output":            "{% for a in range(100000) %}{% for b in range(100000) %}xxxxxxxx{% endfor %}{% endfor %}",
	"large range":       "{{ range(1000000000) }}",
	"text product":      "{{ 'a' * 1000000000 }}",
	"huge product":      "{{ 'ab' * 9000000000000000000 }}",
	"list product":      "{{ [0] * 1000000000 }}",
	"doubled text":      growing("'aaaaaaaa'", "ns.x + ns.x", ""),
	"nested text":       growing("[1]", "[ns.x, ns.x]", "{{ ns.x }}"),
	"nested JSON":       growing("[1]", "[ns.x, ns.x]", "{{ ns.x|tojson }}"),
	"nested comparison": growing("[1]", "[ns.x, ns.x]", "{{ ns.x == ns.x }}"),
	"nested key":        growing("(1,)", "(ns.x, ns.x)", "{{ {ns.x: 1} }}"),
	"cycle":             "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
	"recursion":         "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
	"branching":         "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
	"format width":      "{{ '%1000000000d' % 1 }}",
	"brace width":       "{{ '{:1000000000}'.format(1) }}",
	"padding":           "{{ 'a'.center(1000000000) }}",
	"indent":            "{{ 'a'|indent(1000000000) }}",
	"JSON indent":       "{{ [1]|tojson(indent=100000000) }}",
	"replacement":       "{% set x = 'a' * 1000000 %}{{ x.replace('a', x) }}",
	"join":              "{{ ('a,' * 100000).split(',')|join('x' * 1000) }}",
	"split":             "{% set x = 'a ' * 1000000 %}{{ x.split()|length }}",
	"power":             "{{ 2 ** 1000000000 }}",
	"sorting":           "{% for i in range(100000) %}{{ range(100000)|list|sort|length }}{% endfor %}",
	"search":            "{% set x = 'a' * 4000000 %}{% for i in range(100000) %}{{ 'b' in x }}{% endfor %}",
	"characters":        "{% set x = 'aé' * 1000000 %}{% for i in range(1000) %}{{ x[i] }}{% endfor %}",
	"parentheses":       "{{ " + strings.Repeat("(", 100_000),
	"signs":             "{{ " + strings.Repeat("-", 100_000) + "1 }}",
	"negations":         "{{ " + strings.Repeat("not ", 50_000) + "1 }}",
	"long sum":          "{{ 1" + strings.Repeat("+1", 100_000) + " }}",
	"long path":         "{{ x" + strings.Repeat(".x", 100_000) + " }}",
	"blocks":            strings.Repeat("{% if 1 %}", 20_000),
	"braces":            strings.Repeat("{", 200_000),
	"large source":      strings.Repeat("x", maxSource+1),
}

// hostileLimit is how long a template may keep a server busy.
const hostileLimit = 100 * time.Millisecond

func TestHostileTemplatesEndInAnError(t *testing.T) {
	for name, source := range hostile {
		var fastest time.Duration
		for try := range 30 { // the machine of a test is not idle
			time.Sleep(time.Duration(try) * 10 * time.Millisecond)
			start := time.Now()
			_, err := renderText(source, NewDict())
			took := time.Since(start)
			if err == nil || !IsTemplateError(err) {
				t.Errorf("%s: %v", name, err)
			}
			if try == 0 || took < fastest {
				fastest = took
			}
			if fastest <= hostileLimit {
				break
			}
		}
		if t.Logf("%-18s %v", name, fastest); fastest > hostileLimit {
			t.Errorf("%s: took %v at best, more than %v", name, fastest, hostileLimit)
		}
	}
}

func TestErrorsHaveTypes(t *testing.T) {
	var raised *RaisedError
	if _, err := renderText("{{ raise_exception('Roles must alternate') }}", NewDict()); !errors.As(err, &raised) || err.Error() != "Roles must alternate" {
		t.Errorf("raise_exception: %v", err)
	}
	var render *RenderError
	if _, err := renderText("{{ messages[0].content }}", NewDict()); !errors.As(err, &render) || err.Error() != "'messages' is undefined" {
		t.Errorf("undefined: %v", err)
	}
	var syntax *SyntaxError
	if _, err := renderText("a\n{{ 1 +\n }}", NewDict()); !errors.As(err, &syntax) || syntax.Line != 3 {
		t.Errorf("syntax: %v", err)
	}
}

func TestContextEndsARender(t *testing.T) {
	compiled, err := Compile(hostile["loops"])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := compiled.Render(ctx, NewDict(), Environment{}); !errors.Is(err, context.Canceled) || IsTemplateError(err) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestManyRendersAtOnce(t *testing.T) {
	compiled, err := Compile("{% set ns = namespace(n=0) %}{% for x in xs %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n := range int64(20) {
		group.Go(func() {
			variables := NewDict()
			variables.Set("xs", List{n, n, int64(1)})
			got, err := compiled.Render(context.Background(), variables, Environment{})
			if want := scalarRepr(2*n + 1); err != nil || got != want {
				t.Errorf("%q, %v, want %s", got, err, want)
			}
		})
	}
	group.Wait()
}

func TestParseJSONKeepsOrderAndKinds(t *testing.T) {
	value, err := ParseJSON([]byte(`{"z":1,"a":1.0,"m":[true,null,"x",-2e3],"z":{"b":2,"a":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(context.Background(), Environment{})
	if got, want := m.repr(value), "{'z': {'b': 2, 'a': 1}, 'a': 1.0, 'm': [True, None, 'x', -2000.0]}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, document := range []string{"", "{", `{"a":1} 2`, "[1,]", "123456789012345678901234567890", strings.Repeat("[", 1_000_000)} {
		if value, err := ParseJSON([]byte(document)); err == nil {
			t.Errorf("%.50s: read as %v", document, value)
		}
	}
}

// FuzzRender looks for templates that panic, hang or fail with an error that is not typed.
func FuzzRender(f *testing.F) {
	for _, source := range hostile {
		if len(source) < 500 {
			f.Add(source)
		}
	}
	for _, source := range []string{"{{ a[1:-1:2]|join(',') }}", "{%- raw -%}\xff{{{% endraw %}", "{{ '%*.*f|%r' % (5, 2, 1.5, x) }}", "{{ '{0.a[1]:>{1}}'.format(d, 3) }}",
		"{% set a, (b, c) = x %}", "{% macro m(a, b=a) %}{{ caller(a) }}{{ varargs }}{% endmacro %}{% call(x) m(1) %}{{ x }}{% endcall %}", "{{ s|title|indent(2)|tojson(indent=1) }}"} {
		f.Add(source)
	}
	variables := NewDict()
	variables.Set("a", List{int64(1), "x", nil, 2.5})
	variables.Set("s", "héllo\xffworld")
	f.Fuzz(func(t *testing.T, source string) {
		if _, err := renderText(source, variables); err != nil && !IsTemplateError(err) {
			t.Errorf("%q: %v", source, err)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	compiled, err := Compile("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content']|trim + '<|im_end|>\n' }}{% endfor %}{% if add %}{{ '<|im_start|>assistant\n' }}{% endif %}")
	if err != nil {
		b.Fatal(err)
	}
	message := NewDict()
	message.Set("role", "user")
	message.Set("content", " Hi there ")
	variables := NewDict()
	variables.Set("messages", List{message, message, message})
	for b.Loop() {
		if _, err := compiled.Render(context.Background(), variables, Environment{}); err != nil {
			b.Fatal(err)
		}
	}
}
