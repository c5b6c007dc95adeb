package engine

import "testing"

func TestPythonFloat(t *testing.T) {
	for value, want := range map[float64]string{50: "50.0", 62.5: "62.5", 137.5: "137.5", 6: "6.0", 0.25: "0.25", 1000: "1000.0"} {
		if got := pythonFloat(value); got != want {
			t.Errorf("%v: %s, want %s", value, got, want)
		}
	}
}

func TestRoundLikePython(t *testing.T) {
	for _, test := range []struct {
		value    float64
		decimals int
		want     float64
	}{
		{0.0005, 3, 0.001}, {0.0625, 3, 0.062}, {0.1875, 3, 0.188}, {2.5, 0, 2}, {3.5, 0, 4},
		{1.0005, 3, 1}, {-0.00049, 3, 0}, {0.12345, 4, 0.1235}, {1e30, 3, 1e30},
	} {
		if got := round(test.value, test.decimals); got != test.want {
			t.Errorf("round(%v, %d) = %v, want %v", test.value, test.decimals, got, test.want)
		}
	}
}

func TestPythonInt(t *testing.T) {
	for text, want := range map[string]string{"3": "3", " 3\n": "3", "+7": "7", "-2": "-2", "1_000": "1000", "007": "7", "٣٤": "34",
		"999999999999999999999999": "999999999999999999999999"} {
		got, ok := pythonInt(text)
		if !ok || got.String() != want {
			t.Errorf("%q: %v %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " ", "three", "3.0", "0x1", "--3", "+-3", "1__0", "_1", "1_", "- 3", "½", "3 4"} {
		if got, ok := pythonInt(text); ok {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}
