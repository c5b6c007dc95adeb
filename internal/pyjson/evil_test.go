package pyjson

import (
	"runtime"
	"strings"
	"testing"
)

// TestEvilDocumentsTakeLittleMemory reads documents that are mostly structure.
func TestEvilDocumentsTakeLittleMemory(t *testing.T) {
	for _, document := range []string{
		strings.Repeat("[", 1_000_000),
		strings.Repeat(`{"a":`, 200_000),
		"[" + strings.Repeat("[],", 300_000) + "[]]",
		"{" + strings.Repeat(`"":{},`, 150_000) + `"":0}`,
		strings.Repeat("9", 1_000_000),
		"1e" + strings.Repeat("9", 1_000_000),
		`"` + strings.Repeat(`\u0000`, 150_000) + `"`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse([]byte(document))
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > uint64(150*len(document)) {
			t.Errorf("%.20s… of %d bytes took %d bytes of memory", document, len(document), took)
		}
	}
}
