package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"npinf/hub"
	"npinf/tokenizer"
)

// tokenizerFiles lists the files a tokenizer may consist of, and where each belongs. The
// first one or the last two say how to tokenise.
func tokenizerFiles(into *tokenizer.Files) []tokenizerFile {
	return []tokenizerFile{
		{"tokenizer.json", &into.Tokenizer},
		{"tokenizer_config.json", &into.Config},
		{"special_tokens_map.json", &into.SpecialTokensMap},
		{"chat_template.jinja", &into.ChatTemplate},
		{"vocab.json", &into.GPT2Vocab},
		{"merges.txt", &into.GPT2Merges},
	}
}

type tokenizerFile struct {
	path string
	into *[]byte
}

// wantedOf drops the old vocabulary files where tokenizer.json makes them superfluous, and
// what the repository does not have.
func wantedOf(all []tokenizerFile, has func(path string) bool) []tokenizerFile {
	var wanted []tokenizerFile
	for _, file := range all {
		old := file.path == "vocab.json" || file.path == "merges.txt"
		if has(file.path) && !(old && has("tokenizer.json")) {
			wanted = append(wanted, file)
		}
	}
	return wanted
}

// readTokenizer reads the tokenizer of a repository. The files stay open until the releases
// are called, since the tokenizer may refer to them.
func readTokenizer(ctx context.Context, files hub.Snapshot) (*tokenizer.Tokenizer, []func(), error) {
	var content tokenizer.Files
	var releases []func()
	for _, file := range wantedOf(tokenizerFiles(&content), files.Has) {
		data, release, err := files.Read(ctx, file.path)
		if err != nil {
			return nil, releases, err
		}
		*file.into = data
		releases = append(releases, release)
	}
	var err error
	if content.ModelType, err = modelType(ctx, files); err != nil {
		return nil, releases, err
	}
	loaded, err := tokenizer.Load(content)
	return loaded, releases, err
}

// modelType reads the model_type of config.json.
func modelType(ctx context.Context, files hub.Snapshot) (string, error) {
	data, release, err := files.Read(ctx, "config.json")
	if err != nil {
		return "", err
	}
	defer release()
	var config struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return "", fmt.Errorf("config.json: %w", err)
	}
	return config.ModelType, nil
}
