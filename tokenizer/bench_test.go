package tokenizer

import (
	"path/filepath"
	"strings"
	"testing"

	"npinf/internal/golden"
)

// benchmarkFolders are the tokenizers beside the golden folder.
func benchmarkFolders(b *testing.B) map[string]string {
	b.Helper()
	root := filepath.Join(golden.Dir(b, ""), "..", "tokenizers")
	paths, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil || len(paths) == 0 {
		golden.Missing(b, "no tokenizers in "+root)
	}
	folders := map[string]string{}
	for _, path := range paths {
		folders[filepath.Base(path)] = path
	}
	return folders
}

func BenchmarkLoad(b *testing.B) {
	for name, folder := range benchmarkFolders(b) {
		b.Run(name, func(b *testing.B) {
			files := folderFiles(b, folder)
			b.SetBytes(int64(len(files.Tokenizer)))
			for b.Loop() {
				if _, err := Load(files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	text := strings.Repeat("The café's 1234 tokens don't wait, \"however\" — long they are.\n\tfor i := range n { 世界 }\n", 200)
	for name, folder := range benchmarkFolders(b) {
		b.Run(name, func(b *testing.B) {
			tokenizer := loadFolder(b, folder)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tokenizer.Encode(text, true)
			}
		})
	}
}

func BenchmarkEncodeOneLetter(b *testing.B) {
	text := strings.Repeat("a", 200_000)
	for name, folder := range benchmarkFolders(b) {
		b.Run(name, func(b *testing.B) {
			tokenizer := loadFolder(b, folder)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tokenizer.Encode(text, true)
			}
		})
	}
}

func BenchmarkTokenString(b *testing.B) {
	tokenizer := loadFolder(b, benchmarkFolders(b)["gpt2"])
	for b.Loop() {
		tokenizer.TokenString(1820)
	}
}
