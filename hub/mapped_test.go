package hub

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// What was dropped reads as before; memory that is no file of the snapshot is left alone.
func TestDropKeepsContents(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	if err := os.WriteFile(filepath.Join(dir, "weights"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	dropper := snapshot.(interface {
		Drop(data []byte)
		Mapped(data []byte) bool
	})
	data, release, err := snapshot.Read(context.Background(), "weights")
	if err != nil {
		t.Fatal(err)
	}
	dropper.Drop(data[100:])
	dropper.Drop(data[len(data)-1:])
	dropper.Drop(nil)
	if !bytes.Equal(data, content) {
		t.Error("a dropped file reads differently")
	}
	own := bytes.Clone(content)
	if !dropper.Mapped(data[5:]) || dropper.Mapped(own) || dropper.Mapped(nil) {
		t.Error("it is not told what is mapped")
	}
	dropper.Drop(own)
	if !bytes.Equal(own, content) {
		t.Error("memory of somebody else was dropped")
	}
	release()
	dropper.Drop(own)
	release()
	if n := len(snapshot.(*folder).files); n != 0 {
		t.Errorf("%d files are remembered after their release", n)
	}
}
