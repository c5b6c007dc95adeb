package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestDoctorOfASilentSystem prints what a system reports that tells neither memory nor free space.
func TestDoctorOfASilentSystem(t *testing.T) {
	var output bytes.Buffer
	if err := (report{DiskFreeBytes: -1}).print(&output, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"an unknown amount available", "an unknown amount free"} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("no %q in:\n%s", want, output.String())
		}
	}
}
