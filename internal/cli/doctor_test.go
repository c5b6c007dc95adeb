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

// TestDoctorJudgesTheDisk: a download that finds no room is said to, with the remedy.
func TestDoctorJudgesTheDisk(t *testing.T) {
	for free, noted := range map[int64]bool{-1: false, 1 << 20: true, 1 << 30: false} {
		var output bytes.Buffer
		r := report{DiskFreeBytes: free, Model: "m", Requirements: &modelReport{DownloadBytes: 1 << 30, Fits: true}}
		if err := r.print(&output, nil); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(output.String(), "HF_HOME"); got != noted {
			t.Errorf("%d bytes free:\n%s", free, output.String())
		}
	}
}
