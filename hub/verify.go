package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// digest is the running hash that names e's content: sha256 of the bytes, or git's sha1, which begins with the length.
// It is nil where no hash is known.
func (e entry) digest() hash.Hash {
	switch {
	case e.sha256 != "":
		return sha256.New()
	case e.blob != "":
		digest := sha1.New()
		fmt.Fprintf(digest, "blob %d\x00", e.size)
		return digest
	}
	return nil
}

// verifier hashes content from the front while the rest is still arriving, so that little is left to do at the end.
type verifier struct {
	entry  entry
	from   io.ReaderAt
	pieces *pieces
}

// run returns when all of the content is hashed, and "" if it is right, or else the hash that it has.
func (v *verifier) run(ctx context.Context) (wrong string, err error) {
	digest := v.entry.digest()
	buffer := make([]byte, min(v.entry.size, 1<<20))
	for hashed := int64(0); hashed < v.entry.size; {
		ready := min(v.pieces.prefix()-hashed, int64(len(buffer)))
		if ready <= 0 {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-v.pieces.grown:
			}
			continue
		}
		if n, err := v.from.ReadAt(buffer[:ready], hashed); int64(n) < ready {
			return "", fmt.Errorf("reading back what was downloaded: %w", err)
		}
		digest.Write(buffer[:ready])
		hashed += ready
	}
	if sum := hex.EncodeToString(digest.Sum(nil)); sum != v.entry.etag() {
		return sum, nil
	}
	return "", nil
}
