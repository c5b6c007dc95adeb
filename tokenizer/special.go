package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// specialTokens are the tokens with a role, by the rules of transformers 5: the named ones
// ("bos_token" …, also model-specific names such as Gemma 3's "boi_token") and a list of
// further ones without a name.
type specialTokens struct {
	named map[string]string // role → text
	extra []string
	added []AddedToken // "added_tokens_decoder" of the configuration, by id
}

// classDefaults are the named tokens that a tokenizer class of transformers brings along
// when the configuration does not mention them (signatures of the classes, version 5.14).
var classDefaults = map[string]map[string]string{
	"GPT2Tokenizer":      {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
	"WhisperTokenizer":   {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"},
	"GPTNeoXTokenizer":   {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|padding|>"},
	"Qwen2Tokenizer":     {"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
	"Qwen3_5Tokenizer":   {"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
	"LlamaTokenizer":     {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
	"CodeLlamaTokenizer": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
	"GemmaTokenizer":     {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>"},
	"CohereTokenizer": {"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>", "unk_token": "<UNK>", "pad_token": "<PAD>",
		"cls_token": "<CLS>", "sep_token": "<SEP>", "mask_token": "<MASK_TOKEN>"},
}

// modelClasses names the tokenizer class of a model_type, for repositories whose
// tokenizer_config.json names none (OpenAI's GPT-2 among them).
var modelClasses = map[string]string{
	"gpt2": "GPT2Tokenizer", "gpt_neo": "GPT2Tokenizer", "gptj": "GPT2Tokenizer", "codegen": "GPT2Tokenizer",
	"opt": "GPT2Tokenizer", "phi": "GPT2Tokenizer", "starcoder2": "GPT2Tokenizer",
	"gpt_neox": "GPTNeoXTokenizer", "mamba": "GPTNeoXTokenizer", "mamba2": "GPTNeoXTokenizer", "mpt": "GPTNeoXTokenizer",
	"olmo": "GPTNeoXTokenizer", "olmoe": "GPTNeoXTokenizer",
	"qwen2": "Qwen2Tokenizer", "qwen2_moe": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer", "qwen3_moe": "Qwen2Tokenizer",
	"qwen3_next": "Qwen2Tokenizer", "qwen3_5": "Qwen3_5Tokenizer", "qwen3_5_moe": "Qwen3_5Tokenizer",
	"gemma": "GemmaTokenizer", "gemma2": "GemmaTokenizer", "gemma3": "GemmaTokenizer", "gemma3_text": "GemmaTokenizer",
	"gemma3n": "GemmaTokenizer", "gemma3n_text": "GemmaTokenizer",
	"cohere": "CohereTokenizer", "cohere2": "CohereTokenizer", "code_llama": "CodeLlamaTokenizer",
}

// configuration is tokenizer_config.json, and special_tokens_map.json of older repositories.
type configuration struct {
	fields map[string]json.RawMessage
	legacy map[string]json.RawMessage
}

func parseConfiguration(files Files) (configuration, error) {
	var c configuration
	if len(files.Config) > 0 {
		if err := json.Unmarshal(files.Config, &c.fields); err != nil {
			return c, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	_, current := c.fields["added_tokens_decoder"]
	if len(files.SpecialTokensMap) > 0 && !current {
		if err := json.Unmarshal(files.SpecialTokensMap, &c.legacy); err != nil {
			return c, fmt.Errorf("special_tokens_map.json: %w", err)
		}
	}
	return c, nil
}

// class returns the name of the tokenizer class without "Fast", "" if none is named.
func (c configuration) class() string {
	var name string
	if raw, ok := c.fields["tokenizer_class"]; ok {
		_ = json.Unmarshal(raw, &name) // null or another kind names no class
	}
	return strings.TrimSuffix(name, "Fast")
}

// special works out the special tokens, starting from the defaults of the class.
func (c configuration) special(class string) (specialTokens, error) {
	s := specialTokens{named: maps.Clone(classDefaults[class])}
	if s.named == nil {
		s.named = map[string]string{}
	}
	for _, fields := range []map[string]json.RawMessage{c.fields, c.legacy} {
		for key, raw := range fields {
			if !strings.HasSuffix(key, "_token") {
				continue
			}
			if text, ok := tokenText(raw); ok {
				s.named[key] = text
			} else if string(raw) == "null" {
				delete(s.named, key)
			}
		}
		if err := s.addExtra(fields); err != nil {
			return s, err
		}
	}
	return s, s.readAdded(c.fields["added_tokens_decoder"])
}

// addExtra reads the list of further tokens: "extra_special_tokens", else by its older name
// "additional_special_tokens". As an object it holds named tokens.
func (s *specialTokens) addExtra(fields map[string]json.RawMessage) error {
	raw, ok := fields["extra_special_tokens"]
	if !ok || string(raw) == "null" {
		raw, ok = fields["additional_special_tokens"]
	}
	if !ok || string(raw) == "null" {
		return nil
	}
	var list []json.RawMessage
	var named map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		if err := json.Unmarshal(raw, &named); err != nil {
			return fmt.Errorf("extra_special_tokens is neither a list nor an object: %w", err)
		}
	}
	for name, raw := range named {
		if text, ok := tokenText(raw); ok {
			s.named[name] = text
		}
	}
	for _, raw := range list {
		if text, ok := tokenText(raw); ok && !slices.Contains(s.extra, text) {
			s.extra = append(s.extra, text)
		}
	}
	return nil
}

// tokenText reads a token given as a string or as an object with "content".
func tokenText(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
		return text, true
	}
	var object struct{ Content *string }
	if json.Unmarshal(raw, &object) == nil && object.Content != nil {
		return *object.Content, true
	}
	return "", false
}

func (s *specialTokens) readAdded(raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var byID map[string]AddedToken
	if err := json.Unmarshal(raw, &byID); err != nil {
		return fmt.Errorf("added_tokens_decoder: %w", err)
	}
	for key, token := range byID {
		id, err := strconv.Atoi(key)
		if err != nil {
			return fmt.Errorf("added_tokens_decoder: %q is not a token id", key)
		}
		token.ID = id
		s.added = append(s.added, token)
	}
	slices.SortFunc(s.added, func(a, b AddedToken) int { return a.ID - b.ID })
	return nil
}

// standardRoles are the roles every tokenizer may have, in the order in which tokens that
// are missing from the vocabulary are added to it.
var standardRoles = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// all returns the texts of the special tokens: the standard roles, those of the model's
// own, then the tokens without a role.
func (s *specialTokens) all() []string {
	var texts []string
	for _, role := range standardRoles {
		if text, ok := s.named[role]; ok {
			texts = append(texts, text)
		}
	}
	for _, role := range slices.Sorted(maps.Keys(s.named)) {
		if !slices.Contains(standardRoles, role) {
			texts = append(texts, s.named[role])
		}
	}
	return append(texts, s.extra...)
}

// chatTemplate returns the chat template: the file of its own if there is one, else the
// entry of the configuration (of a list of templates the one named "default").
func (c configuration) chatTemplate(file []byte) (string, error) {
	raw, ok := c.fields["chat_template"]
	if len(file) > 0 || !ok || string(raw) == "null" {
		return string(file), nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return "", fmt.Errorf("tokenizer_config.json: chat_template: %w", err)
	}
	for _, entry := range list {
		if entry.Name == "default" {
			return entry.Template, nil
		}
	}
	return "", nil
}
