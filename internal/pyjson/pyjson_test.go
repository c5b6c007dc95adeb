package pyjson

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestParseFindsPythonsErrors(t *testing.T) {
	for document, want := range map[string]struct {
		message string
		offset  int
	}{
		``:                 {"Expecting value", 0},
		`   `:              {"Expecting value", 3},
		`[`:                {"Expecting value", 1},
		`[1,]`:             {"Expecting value", 3},
		`[1 2]`:            {"Expecting ',' delimiter", 3},
		`{`:                {"Expecting property name enclosed in double quotes", 1},
		`{"a":1,}`:         {"Expecting property name enclosed in double quotes", 7},
		`{"a" 1}`:          {"Expecting ':' delimiter", 5},
		`{"a":1 "b":2}`:    {"Expecting ',' delimiter", 7},
		`012`:              {"Extra data", 1},
		`[012]`:            {"Expecting ',' delimiter", 2},
		`-`:                {"Expecting value", 0},
		`+1`:               {"Expecting value", 0},
		`.5`:               {"Expecting value", 0},
		`1.`:               {"Extra data", 1},
		`1e`:               {"Extra data", 1},
		`nul`:              {"Expecting value", 0},
		`"é\q"`:            {`Invalid \escape`, 2},
		"\"a\nb\"":         {"Invalid control character at", 2},
		`["é`:              {"Unterminated string starting at", 1},
		`"\`:               {"Unterminated string starting at", 0},
		`"\u12`:            {`Invalid \uXXXX escape`, 2},
		`"\u12x4"`:         {`Invalid \uXXXX escape`, 2},
		`"日本🙂" x`:          {"Extra data", 6},
		"\xef\xbb\xbf{} ]": {"Extra data", 3},
	} {
		_, err := Parse([]byte(document))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Message != want.message || syntax.Offset != want.offset {
			t.Errorf("%q: %+v, want %+v", document, err, want)
		}
	}
}

func TestParseReadsWhatPythonReads(t *testing.T) {
	for document, want := range map[string]string{
		` {"b":1,"a":[true,null],"b":2} `: `{"b":2,"a":[true,null]}`, // the later value, where the key first stood
		`[1e5,1E-7,0.1,-0,-0.0,1e16]`:     `[100000.0,1e-07,0.1,0,-0.0,1e+16]`,
		`123456789012345678901234567890`:  `123456789012345678901234567890`,
		`[NaN,Infinity,-Infinity,1e999]`:  `[null,null,null,null]`,
		`"\u0041\ud83d\ude42\/\b\u0001"`:  `"A🙂/\b\u0001"`,
		`"\ud800\ud800\udc00x\udc00"`:     "\"\uFFFD\U00010000x\uFFFD\"",
		`"<&>` + "\u2028" + `"`:           `"<&>` + "\u2028" + `"`,
		`{}`:                              `{}`,
		`[]`:                              `[]`,
	} {
		v, err := Parse([]byte(document))
		if err != nil {
			t.Errorf("%s: %v", document, err)
		} else if got := string(Append(nil, v)); got != want {
			t.Errorf("%s: %s, want %s", document, got, want)
		}
	}
}

func TestParseOfManyKeysKeepsTheLast(t *testing.T) {
	var document strings.Builder
	for i := range 100 {
		document.WriteString(`,"` + strings.Repeat("k", i%40) + `":` + string(rune('0'+i%10)))
	}
	v, err := Parse([]byte("{" + document.String()[1:] + "}"))
	if err != nil || len(v.Keys()) != 40 {
		t.Fatalf("%d keys, %v", len(v.Keys()), err)
	}
	if last, ok := v.Lookup(strings.Repeat("k", 19)); !ok || last.Text() != "9" { // i = 99
		t.Errorf("found %v %q", ok, last.Text())
	}
	if _, ok := v.Lookup("no"); ok {
		t.Error("found a key that is not there")
	}
}

func TestParseReadsAllEncodings(t *testing.T) {
	const document, want = `{"k":"é🙂"}`, `{"k":"é🙂"}`
	inputs := map[string][]byte{"utf-8": []byte(document), "utf-8 with mark": []byte("\xef\xbb\xbf" + document)}
	for name, order := range map[string]binary.ByteOrder{"le": binary.LittleEndian, "be": binary.BigEndian} {
		var two, four []byte
		for _, unit := range utf16.Encode([]rune(document)) {
			two = append(two, 0, 0)
			order.PutUint16(two[len(two)-2:], unit)
		}
		for _, r := range document {
			four = append(four, 0, 0, 0, 0)
			order.PutUint32(four[len(four)-4:], uint32(r))
		}
		mark2, mark4 := make([]byte, 2), make([]byte, 4)
		order.PutUint16(mark2, 0xFEFF)
		order.PutUint32(mark4, 0xFEFF)
		inputs["utf-16-"+name], inputs["utf-32-"+name] = two, four
		inputs["utf-16-"+name+" with mark"], inputs["utf-32-"+name+" with mark"] = append(mark2, two...), append(mark4, four...)
	}
	for name, input := range inputs {
		v, err := Parse(input)
		if got := string(Append(nil, v)); err != nil || got != want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestParseRefusesWhatIsNoText(t *testing.T) {
	for name, input := range map[string][]byte{
		"bad utf-8":    []byte("\"\xff\""),
		"half utf-16":  []byte("\xff\xfe{\x00}"),
		"half utf-32":  []byte("\xff\xfe\x00\x00{\x00"),
		"large utf-32": []byte("\xff\xfe\x00\x00\x00\x00\x11\x00"),
		"long integer": []byte("[-" + strings.Repeat("1", MaxDigits+1) + "]"),
	} {
		if _, err := Parse(input); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse([]byte(strings.Repeat("1", MaxDigits))); err != nil {
		t.Errorf("the longest integer: %v", err)
	}
	if v, err := Parse([]byte("\"\xed\xa0\x80\"")); err != nil || v.Text() != "\uFFFD" {
		t.Errorf("an encoded half surrogate: %q, %v", v.Text(), err)
	}
}

func TestParseLimitsDepth(t *testing.T) {
	for _, bracket := range []string{"[", `{"a":`} {
		if _, err := Parse([]byte(strings.Repeat(bracket, 1e6))); !errors.Is(err, ErrTooDeep) {
			t.Errorf("%s: %v", bracket, err)
		}
	}
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	if v, err := Parse([]byte(deep)); err != nil || string(Append(nil, v)) != deep {
		t.Errorf("%d levels: %v", MaxDepth, err)
	}
}

func TestAppendFloatSpellsAsPython(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.0", math.Copysign(0, -1): "-0.0", 1: "1.0", 57.75: "57.75", 1e-4: "0.0001", 1e-5: "1e-05", 1.5e-7: "1.5e-07",
		123456789012345680: "1.2345678901234568e+17", 1e15: "1000000000000000.0", 9999999999999998: "9999999999999998.0", 1e16: "1e+16",
		5e-324: "5e-324", 1.7976931348623157e308: "1.7976931348623157e+308", float64(float32(46.472683)): "46.47268295288086",
		math.Inf(1): "null",
	} {
		if got := string(AppendFloat(nil, f)); got != want {
			t.Errorf("%g: %s, want %s", f, got, want)
		}
	}
	if got := string(AppendFloat(nil, math.NaN())); got != "null" {
		t.Errorf("NaN: %s", got)
	}
}

// FuzzParse holds a property: what was read and written again is read the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"\u00e9",null,true]}`, `[1e400,"\ud800"]`, "\xff\xfe[\x00", `{"a":{"a":{}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		v, err := Parse(document)
		if err != nil {
			return
		}
		once := Append(nil, v)
		again, err := Parse(once)
		if err != nil {
			t.Fatalf("%q: %v", once, err)
		}
		if twice := Append(nil, again); string(once) != string(twice) {
			t.Errorf("%q became %q", once, twice)
		}
	})
}

func TestAppendASCIISpellsAsPython(t *testing.T) {
	for text, want := range map[string]string{
		"":               `""`,
		"plain \"x\"\n":  `"plain \"x\"\n"`,
		"é ❤️ 😀\x7f":     "\"\\u00e9 \\u2764\\ufe0f \\ud83d\\ude00\x7f\"",
		"a\xffb\u2028":   `"a\ufffdb\u2028"`,
		"\x01\U0010FFFF": `"\u0001\udbff\udfff"`,
	} {
		if got := string(AppendASCII([]byte("x"), text)); got != "x"+want {
			t.Errorf("%q: %s, want x%s", text, got, want)
		}
	}
}
