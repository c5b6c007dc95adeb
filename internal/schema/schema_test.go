package schema

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"npinf/internal/pyjson"
)

// check returns the fields of a body, or its 422 body.
func check(t *testing.T, m *Model, body string) (Values, string) {
	t.Helper()
	v, err := pyjson.Parse([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	values, problems := m.Check(v)
	if problems == nil {
		return values, ""
	}
	return values, string(AppendDetail(nil, problems))
}

// one wraps a problem in the body that holds it alone.
func one(problem string) string { return `{"detail":[` + problem + `]}` }

func TestSpellings(t *testing.T) {
	m := New(Required("sourceSet", Text), Optional("topN", Integer.Nullable()))
	for body, want := range map[string]string{
		`{"sourceSet":"a"}`:                        "a",
		`{"source_set":"a"}`:                       "a",
		`{"source_set":"b","sourceSet":"a"}`:       "a",
		`{"sourceSet":"a","top_n":null,"other":1}`: "a",
	} {
		if values, detail := check(t, m, body); detail != "" || values.Text("sourceSet") != want {
			t.Errorf("%s: %v %s", body, values, detail)
		}
	}
	for body, want := range map[string]string{
		`{"sourceset":"a"}`:                   `{"type":"missing","loc":["body","sourceSet"],"msg":"Field required","input":{"sourceset":"a"}}`,
		`{"source_set":5}`:                    `{"type":"string_type","loc":["body","source_set"],"msg":"Input should be a valid string","input":5}`,
		`{"sourceSet":null,"source_set":"a"}`: `{"type":"string_type","loc":["body","sourceSet"],"msg":"Input should be a valid string","input":null}`,
		`[]`:                                  `{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":[]}`,
	} {
		if _, got := check(t, m, body); got != one(want) {
			t.Errorf("%s:\n got %s\nwant %s", body, got, one(want))
		}
	}
	exact := New(Field{Name: "modelId", Type: Text, Required: true, CamelOnly: true})
	if _, got := check(t, exact, `{"model_id":"a"}`); !strings.Contains(got, `"missing"`) {
		t.Errorf("a camelCase field took the snake_case spelling: %s", got)
	}
}

// TestScalars goes through the table of what each type makes of a wire value: a value, or the
// type of the problem.
func TestScalars(t *testing.T) {
	inf := math.Inf(1)
	for _, row := range []struct {
		wire                              string
		text, integer, number, boolean    any
		laxInteger, laxNumber, laxBoolean any
	}{
		{`"x"`, "x", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing", "bool_parsing"},
		{`" 3 "`, " 3 ", "int_type", "float_type", "bool_type", 3, 3.0, "bool_parsing"},
		{`"1_0"`, "1_0", "int_type", "float_type", "bool_type", 10, 10.0, "bool_parsing"},
		{`"+0"`, "+0", "int_type", "float_type", "bool_type", 0, 0.0, "bool_parsing"},
		{`"1.0"`, "1.0", "int_type", "float_type", "bool_type", 1, 1.0, "bool_parsing"},
		{`"1.5"`, "1.5", "int_type", "float_type", "bool_type", "int_parsing", 1.5, "bool_parsing"},
		{`"0x1"`, "0x1", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing", "bool_parsing"},
		{`"1__0"`, "1__0", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing", "bool_parsing"},
		{`"１"`, "１", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing", "bool_parsing"},
		{`"Yes"`, "Yes", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing", true},
		{`"OFF"`, "OFF", "int_type", "float_type", "bool_type", "int_parsing", "float_parsing", false},
		{`"inf"`, "inf", "int_type", "float_type", "bool_type", "int_parsing", inf, "bool_parsing"},
		{`5`, "string_type", 5, 5.0, "bool_type", 5, 5.0, "bool_parsing"},
		{`1`, "string_type", 1, 1.0, "bool_type", 1, 1.0, true},
		{`-0`, "string_type", 0, 0.0, "bool_type", 0, 0.0, false},
		{`5.0`, "string_type", "int_type", 5.0, "bool_type", 5, 5.0, "bool_parsing"},
		{`5.5`, "string_type", "int_type", 5.5, "bool_type", "int_from_float", 5.5, "bool_type"},
		{`true`, "string_type", "int_type", "float_type", true, 1, 1.0, true},
		{`null`, "string_type", "int_type", "float_type", "bool_type", "int_type", "float_type", "bool_type"},
		{`[]`, "string_type", "int_type", "float_type", "bool_type", "int_type", "float_type", "bool_type"},
		{strings.Repeat("9", 40), "string_type", math.MaxInt, 1e40, "bool_type", math.MaxInt, 1e40, "bool_type"},
		{"-" + strings.Repeat("9", 400), "string_type", math.MinInt, "float_type", "bool_type", math.MinInt, "float_type", "bool_type"},
		{`1e20`, "string_type", "int_type", 1e20, "bool_type", "int_parsing_size", 1e20, "bool_type"},
		{`Infinity`, "string_type", "int_type", inf, "bool_type", "finite_number", inf, "bool_type"},
	} {
		v, err := pyjson.Parse([]byte(row.wire))
		if err != nil {
			t.Fatal(err)
		}
		types := []Type{Text, Integer, Number, Boolean, LaxInteger, LaxNumber, LaxBoolean}
		wants := []any{row.text, row.integer, row.number, row.boolean, row.laxInteger, row.laxNumber, row.laxBoolean}
		for i, want := range wants {
			got, problem := scalar(types[i], v)
			if problem != "" {
				got = problem
			}
			if got != want {
				t.Errorf("%.30s as type %d: %v, want %v", row.wire, i, got, want)
			}
			if problem != "" && messages[problem] == "" {
				t.Errorf("%s has no message", problem)
			}
		}
	}
}

func TestListsObjectsAndLimits(t *testing.T) {
	point := New(Required("index", Integer), Optional("steeringVector", List(Number).Nullable()))
	m := New(
		Optional("types", List(Choice("A", "B", "C")).AtLeastItems(1)),
		Optional("points", List(Nested(point)).Nullable()),
		Optional("tokens", Integer.AtLeast(1).AtMost(10)),
		Optional("temperature", Number.AtLeast(0)),
		Optional("extra", Dictionary),
		Defaulted("results", Integer.Nullable(), 25),
	)
	values, detail := check(t, m, `{"types":["B"],"points":[{"index":3,"steering_vector":[1,2.5]}],"tokens":10,"extra":{"a":1},"results":null}`)
	if detail != "" {
		t.Fatal(detail)
	}
	inner := values.Objects("points")[0]
	if inner.Integer("index") != 3 || !reflect.DeepEqual(inner.Numbers("steeringVector"), []float64{1, 2.5}) ||
		!reflect.DeepEqual(values.Texts("types"), []string{"B"}) || values.Integer("tokens") != 10 || values.Integer("results") != 25 ||
		len(values.Dictionary("extra").Keys()) != 1 || values.OptionalBoolean("temperature") != nil {
		t.Errorf("values %v", values)
	}
	for body, want := range map[string]string{
		`{"types":[]}`:                `{"type":"too_short","loc":["body","types"],"msg":"List should have at least 1 item after validation, not 0","input":[],"ctx":{"field_type":"List","min_length":1,"actual_length":0}}`,
		`{"types":["B",5]}`:           `{"type":"enum","loc":["body","types",1],"msg":"Input should be 'A', 'B' or 'C'","input":5,"ctx":{"expected":"'A', 'B' or 'C'"}}`,
		`{"points":[{"index":true}]}`: `{"type":"int_type","loc":["body","points",0,"index"],"msg":"Input should be a valid integer","input":true}`,
		`{"points":[{"a":1}]}`:        `{"type":"missing","loc":["body","points",0,"index"],"msg":"Field required","input":{"a":1}}`,
		`{"points":[{"index":1,"steering_vector":[1,"x"]}]}`: `{"type":"float_type","loc":["body","points",0,"steering_vector",1],"msg":"Input should be a valid number","input":"x"}`,
		`{"tokens":0}`:          `{"type":"greater_than_equal","loc":["body","tokens"],"msg":"Input should be greater than or equal to 1","input":0,"ctx":{"ge":1}}`,
		`{"tokens":11}`:         `{"type":"less_than_equal","loc":["body","tokens"],"msg":"Input should be less than or equal to 10","input":11,"ctx":{"le":10}}`,
		`{"temperature":-1e-9}`: `{"type":"greater_than_equal","loc":["body","temperature"],"msg":"Input should be greater than or equal to 0","input":-1e-09,"ctx":{"ge":0.0}}`,
		`{"temperature":NaN}`:   `{"type":"greater_than_equal","loc":["body","temperature"],"msg":"Input should be greater than or equal to 0","input":null,"ctx":{"ge":0.0}}`,
		`{"extra":"x"}`:         `{"type":"dict_type","loc":["body","extra"],"msg":"Input should be a valid dictionary","input":"x"}`,
		`{"types":null}`:        `{"type":"list_type","loc":["body","types"],"msg":"Input should be a valid list","input":null}`,
	} {
		if _, got := check(t, m, body); got != one(want) {
			t.Errorf("%s:\n got %s\nwant %s", body, got, one(want))
		}
	}
}

func TestProblemsAreBounded(t *testing.T) {
	m := New(Required("vector", List(Number)))
	v, err := pyjson.Parse([]byte(`{"vector":[` + strings.Repeat(`"x",`, 5000) + `"x"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := m.Check(v); len(problems) != MaxProblems {
		t.Errorf("%d problems", len(problems))
	}
}

func TestBodyProblems(t *testing.T) {
	for want, p := range map[string]Problem{
		`{"type":"missing","loc":["body"],"msg":"Field required","input":null}`:                                                   MissingBody(),
		`{"type":"json_invalid","loc":["body",7],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting ',' delimiter"}}`: InvalidJSON(&pyjson.SyntaxError{Message: "Expecting ',' delimiter", Offset: 7}),
	} {
		if got := string(AppendDetail(nil, []Problem{p})); got != one(want) {
			t.Errorf("got %s\nwant %s", got, one(want))
		}
	}
}
