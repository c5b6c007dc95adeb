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

// maxInflation is more than deflate can expand anything; a member that claims more lies.
const maxInflation = 1100

// openZip reads the directory of a zip file in memory.
func openZip(data []byte) (*zip.Reader, error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if errors.Is(err, zip.ErrFormat) {
		return nil, errors.New("not a complete zip archive; the file is truncated or of another kind")
	}
	return archive, err
}

// zipMember returns the content of a member: a view of data when it is stored, a new slice
// when it is deflated.
func zipMember(data []byte, file *zip.File) ([]byte, error) {
	offset, err := file.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", file.Name, err)
	}
	size := file.CompressedSize64
	if offset < 0 || uint64(offset) > uint64(len(data)) || size > uint64(len(data))-uint64(offset) {
		return nil, fmt.Errorf("member %s reaches past the end of the file; the file is truncated", file.Name)
	}
	packed := data[offset : uint64(offset)+size : uint64(offset)+size]
	switch file.Method {
	case zip.Store:
		if size != file.UncompressedSize64 {
			return nil, fmt.Errorf("member %s is stored with %d bytes and declares %d", file.Name, size, file.UncompressedSize64)
		}
		return packed, nil
	case zip.Deflate:
		return inflate(file, packed)
	}
	return nil, fmt.Errorf("member %s uses compression method %d; only stored and deflated members can be read", file.Name, file.Method)
}

func inflate(file *zip.File, packed []byte) ([]byte, error) {
	size := file.UncompressedSize64
	if size > maxInflation*uint64(len(packed))+maxInflation {
		return nil, fmt.Errorf("member %s declares an impossible size of %d bytes", file.Name, size)
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
