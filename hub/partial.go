package hub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
)

// partial is a file on its way into the cache: the content so far, and beside it a record of which bytes of it count.
// The record is written after the bytes, so a process killed at any moment leaves a record that claims nothing false;
// after a power cut it may, which the hash over the whole file finds out.
type partial struct {
	*pieces
	content *os.File
	record  *os.File
}

const (
	partialSuffix = ".npinf.incomplete"
	recordSuffix  = ".npinf.progress"
	recordVersion = "npinf partial 1\n"
)

// openPartial opens or creates the partial file at base+partialSuffix. One whose record belongs to other content, or to
// pieces of another size, starts again from nothing.
func openPartial(base string, file entry, piece int64) (*partial, error) {
	content, err := os.OpenFile(base+partialSuffix, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	record, err := os.OpenFile(base+recordSuffix, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		content.Close()
		return nil, err
	}
	p := &partial{pieces: newPieces(file.size, piece), content: content, record: record}
	header := recordHeader(file, piece)
	p.save = func(index int, have int64) error {
		_, err := record.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(have)), int64(len(header)+8*index))
		return err
	}
	if !p.load(header) {
		err = p.reset(header)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func recordHeader(file entry, piece int64) []byte {
	return fmt.Appendf(nil, "%s%s\n%d\n%d\n", recordVersion, file.etag(), file.size, piece)
}

// load takes over the counts of an earlier run and reports whether there were any to trust.
func (p *partial) load(header []byte) bool {
	stored, err := os.ReadFile(p.record.Name())
	info, statErr := p.content.Stat()
	if err != nil || statErr != nil || info.Size() != p.size || len(stored) != len(header)+8*p.count() || !bytes.HasPrefix(stored, header) {
		return false
	}
	for i := range p.have {
		start, end := p.bounds(i)
		have := binary.LittleEndian.Uint64(stored[len(header)+8*i:])
		if have > uint64(end-start) {
			clear(p.have)
			return false
		}
		p.have[i] = int64(have)
	}
	return true
}

// reset empties both files; the record goes first, so that it never outlives its bytes.
func (p *partial) reset(header []byte) error {
	if err := p.record.Truncate(0); err != nil {
		return err
	}
	if err := p.content.Truncate(0); err != nil {
		return err
	}
	if err := p.content.Truncate(p.size); err != nil { // sparse: takes no room yet
		return err
	}
	_, err := p.record.WriteAt(append(header, make([]byte, 8*p.count())...), 0)
	return err
}

// WriteAt implements io.WriterAt.
func (p *partial) WriteAt(data []byte, offset int64) (int, error) {
	return p.content.WriteAt(data, offset)
}

// ReadAt implements io.ReaderAt.
func (p *partial) ReadAt(data []byte, offset int64) (int, error) {
	return p.content.ReadAt(data, offset)
}

// finish moves the complete content to path, safely on disk, and drops the record.
func (p *partial) finish(path string) error {
	if err := p.content.Sync(); err != nil {
		return err
	}
	if err := p.Close(); err != nil { // Windows renames no open file
		return err
	}
	if err := os.Rename(p.content.Name(), path); err != nil {
		return err
	}
	return ignoreAbsent(os.Remove(p.record.Name()))
}

// discard deletes content that proved wrong.
func (p *partial) discard() error {
	return errors.Join(p.Close(), removePartial(strings.TrimSuffix(p.content.Name(), partialSuffix)))
}

func removePartial(base string) error {
	return errors.Join(ignoreAbsent(os.Remove(base+recordSuffix)), ignoreAbsent(os.Remove(base+partialSuffix)))
}

// Close may be called again after finish or discard.
func (p *partial) Close() error {
	var err error
	for _, file := range []*os.File{p.content, p.record} {
		if closeErr := file.Close(); closeErr != nil && !errors.Is(closeErr, os.ErrClosed) {
			err = errors.Join(err, closeErr)
		}
	}
	return err
}

// partialBytes is how much of a file an earlier run left, for plans.
func partialBytes(base string, file entry, piece int64) int64 {
	header := recordHeader(file, piece)
	stored, err := os.ReadFile(base + recordSuffix)
	if err != nil || !bytes.HasPrefix(stored, header) || !hasSize(base+partialSuffix, file.size) {
		return 0
	}
	return max(0, min(sumCounts(stored[len(header):]), file.size))
}

// storedBytes is how much a partial file of whatever content holds; the file itself is sparse and seems complete.
func storedBytes(base string) int64 {
	stored, err := os.ReadFile(base + recordSuffix)
	lines := bytes.SplitAfterN(stored, []byte("\n"), 5)
	if err != nil || len(lines) < 5 {
		return 0
	}
	return max(0, sumCounts(lines[4]))
}

func sumCounts(counts []byte) int64 {
	var total int64
	for ; len(counts) >= 8; counts = counts[8:] {
		total += int64(binary.LittleEndian.Uint64(counts))
	}
	return total
}
