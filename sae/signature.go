package sae

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// signature is how a dialect is known by the files of a repository. The first one whose
// pattern fits a file counts.
type signature struct {
	dialect string // "" for files that only look like sources; wants says what is amiss
	pattern *regexp.Regexp
	// at is the row's path by the file's; nil is the file's folder.
	at func(file string) string
	// when, if not nil, must hold for the dialect to be meant at all.
	when func(file, repo string, has func(string) bool) bool
	// check, if not nil, says what the dialect cannot find out from the names.
	check func(row Row) error
	wants string
}

// signatures is the table of dialects in the order in which they are tried.
var signatures = []signature{
	{dialect: "sae_lens", pattern: regexp.MustCompile(`(^|/)cfg\.json$`), when: besides(nativeWeights)},
	{dialect: "sparsify", pattern: regexp.MustCompile(`(^|/)cfg\.json$`), when: besides("sae.safetensors"), check: checkSparsify},
	{pattern: regexp.MustCompile(`(^|/)cfg\.json$`), wants: "neither " + nativeWeights + " nor sae.safetensors is beside it"},
	{dialect: "gemma_2_transcoder", pattern: regexp.MustCompile(`(^|/)params\.npz$`), when: isTranscoder, check: checkGemma2Transcoder},
	{dialect: "gemma_2", pattern: regexp.MustCompile(`(^|/)params\.npz$`), check: checkGemma2},
	{dialect: "gemma_3", pattern: regexp.MustCompile(`(^|/)params\.safetensors$`), check: checkGemma3},
	{dialect: "gemma_3", pattern: regexp.MustCompile(`clt.*params_layer_\d+\.safetensors$`), at: withoutEnding, check: checkGemma3},
	{dialect: "dictionary_learning_1", pattern: regexp.MustCompile(`(^|/)ae\.pt$`)},
	{dialect: "llama_scope", pattern: regexp.MustCompile(`(^|/)hyperparams\.json$`)},
	{dialect: "llama_scope_r1_distill", pattern: regexp.MustCompile(`(^|/)sae_weights\.safetensors$`), when: notBesides(nativeConfig)},
	{dialect: "temporal", pattern: regexp.MustCompile(`(^|/)latest_ckpt\.safetensors$`), check: checkTemporal},
	{dialect: "mntss_clt_layer_transcoder", pattern: regexp.MustCompile(`^W_enc_\d+\.safetensors$`), at: crossLayerNumber},
	{dialect: "mwhanna_transcoder", pattern: regexp.MustCompile(`^layer_\d+\.safetensors$`), at: itself},
	{dialect: "qwen_scope", pattern: regexp.MustCompile(`(^|/)layer\d+\.sae\.pt$`), at: itself, check: checkQwenScope},
	{dialect: "connor_rob_hook_z", pattern: regexp.MustCompile(`\.pt$`), at: itself, when: hasConnorConfig},
	{dialect: "deepseek_r1", pattern: regexp.MustCompile(`DeepSeek-R1-Distill-Llama-8B-SAE-l\d+\.pt$`), at: itself},
	{dialect: "goodfire", pattern: regexp.MustCompile(`\.pth?$`), at: itself, when: isGoodfire},
	{pattern: regexp.MustCompile(`\.pth?$`), at: itself, wants: "a torch file of no known dialect; " +
		"want ae.pt with config.json, layer<n>.sae.pt, or <name>.pt with <name>_cfg.json"},
}

// signatureNames lists the files by which dialects are known, for errors.
func signatureNames() []string {
	return []string{"cfg.json with sae.safetensors", "params.npz", "params.safetensors", "ae.pt with config.json", "hyperparams.json with checkpoints/final.safetensors",
		"conf.yaml with latest_ckpt.safetensors", "W_enc_<n>.safetensors with config.yaml", "layer_<n>.safetensors with wandb-config.yaml", "layer<n>.sae.pt"}
}

// signatureOf finds the dialect a file is the mark of, and the row's path.
func signatureOf(file, repo string, has func(string) bool) (found signature, at string, known bool) {
	for _, s := range signatures {
		if !s.pattern.MatchString(file) || s.when != nil && !s.when(file, repo, has) {
			continue
		}
		if s.at != nil {
			return s, s.at(file), true
		}
		return s, path.Dir(file), true
	}
	return signature{}, "", false
}

func itself(file string) string { return file }

func withoutEnding(file string) string { return strings.TrimSuffix(file, path.Ext(file)) }

// crossLayerNumber is the number in W_enc_<n>.safetensors.
func crossLayerNumber(file string) string {
	return strings.TrimPrefix(withoutEnding(file), "W_enc_")
}

func besides(name string) func(string, string, func(string) bool) bool {
	return func(file, _ string, has func(string) bool) bool { return has(path.Join(path.Dir(file), name)) }
}

func notBesides(name string) func(string, string, func(string) bool) bool {
	beside := besides(name)
	return func(file, repo string, has func(string) bool) bool { return !beside(file, repo, has) }
}

func isTranscoder(file, repo string, _ func(string) bool) bool {
	return strings.Contains(repo+"/"+file, "transcoder")
}

func hasConnorConfig(file, _ string, has func(string) bool) bool {
	return has(connorRobConfig(Row{Path: file}))
}

func isGoodfire(file, repo string, _ func(string) bool) bool {
	_, known := goodfireSources[repo+"/"+file]
	return known
}

func checkGemma2(row Row) error {
	if _, err := gemma2Model(row.Repo); err != nil {
		return err
	}
	_, err := gemma2Hook(row.Repo, row.Path)
	return err
}

func checkGemma2Transcoder(row Row) error {
	if _, err := gemma2Model(row.Repo); err != nil {
		return err
	}
	_, err := numberIn(row.Path, layerInPath, "layer")
	if err != nil {
		_, err = numberIn(row.Repo, layerInPath, "layer")
	}
	return err
}

func checkGemma3(row Row) error {
	_, err := gemma3Config(row)
	return err
}

func checkQwenScope(row Row) error {
	_, err := qwenScopeConfig(row)
	return err
}

func checkSparsify(row Row) error {
	folder := path.Base(row.Path)
	if strings.Contains(folder, "embed_tokens") {
		return nil
	}
	_, err := numberIn(folder, sparsifyLayer, "layer")
	return err
}

func checkTemporal(row Row) error {
	_, err := numberIn(row.Path, layerInPath, "layer")
	if err != nil {
		return fmt.Errorf("its path does not tell where it reads the model: %w", err)
	}
	return nil
}
