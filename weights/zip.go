package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// budget is how many bytes may still be made out of a file. Deflated members, arrays with
// strides of zero and values that a pickle refers to again and again let a small file
// describe far more than any machine holds.
type budget struct{ left uint64 }

// newBudget allows 64 bytes for each of the file: numbers hardly shrink when they are
// compressed, and constant arrays are small beside the others.
func newBudget(fileBytes int) *budget { return &budget{64*uint64(fileBytes) + 1<<20} }

// take uses some of the budget.
func (b *budget) take(bytes uint64) error {
	if bytes > b.left {
		return fmt.Errorf("it describes %d more bytes than a file of its size can hold; it is damaged, or made to exhaust memory", bytes-b.left)
	}
	b.left -= bytes
	return nil
}

// zipArchive is a zip file in memory.
type zipArchive struct {
	*zip.Reader
	data   []byte
	budget *budget // for deflated members
}

// openZip reads the directory of a zip file in memory.
func openZip(data []byte) (*zipArchive, error) {
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if errors.Is(err, zip.ErrFormat) {
		return nil, errors.New("not a complete zip archive; the file is truncated or of another kind")
	}
	return &zipArchive{reader, data, newBudget(len(data))}, err
}

// member returns the content of a member: a view of the file when it is stored, a new slice
// when it is deflated.
func (a *zipArchive) member(file *zip.File) ([]byte, error) {
	offset, err := file.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", file.Name, err)
	}
	size := file.CompressedSize64
	if offset < 0 || uint64(offset) > uint64(len(a.data)) || size > uint64(len(a.data))-uint64(offset) {
		return nil, fmt.Errorf("member %s reaches past the end of the file; the file is truncated", file.Name)
	}
	packed := a.data[offset : uint64(offset)+size : uint64(offset)+size]
	switch file.Method {
	case zip.Store:
		if size != file.UncompressedSize64 {
			return nil, fmt.Errorf("member %s is stored with %d bytes and declares %d", file.Name, size, file.UncompressedSize64)
		}
		return packed, nil
	case zip.Deflate:
		return a.inflate(file, packed)
	}
	return nil, fmt.Errorf("member %s uses compression method %d; only stored and deflated members can be read", file.Name, file.Method)
}

func (a *zipArchive) inflate(file *zip.File, packed []byte) ([]byte, error) {
	size := file.UncompressedSize64
	if err := a.budget.take(size); err != nil {
		return nil, fmt.Errorf("member %s: %w", file.Name, err)
	}
	reader := flate.NewReader(bytes.NewReader(packed))
	defer reader.Close()
	content := make([]byte, size)
	if _, err := io.ReadFull(reader, content); err != nil {
		return nil, fmt.Errorf("member %s: inflate: %w", file.Name, err)
	}
	if n, err := reader.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("member %s is longer than the %d bytes it declares", file.Name, size)
	}
	return content, nil
}

// checkCRC compares a member's content with the checksum in the directory.
func checkCRC(file *zip.File, content []byte) error {
	if sum := crc32.ChecksumIEEE(content); sum != file.CRC32 {
		return fmt.Errorf("member %s is damaged: checksum %08x, want %08x; download the file again", file.Name, sum, file.CRC32)
	}
	return nil
}
