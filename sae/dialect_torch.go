package sae

import (
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"strings"
)

// dictionaryClasses maps the classes of the dictionary_learning library to architectures.
var dictionaryClasses = map[string]string{
	"AutoEncoder": "standard", "AutoEncoderNew": "standard",
	"GatedAutoEncoder": "gated", "BatchTopKSAE": "jumprelu", "MatryoshkaBatchTopKSAE": "jumprelu",
	"JumpReluAutoEncoder": "jumprelu", "AutoEncoderTopK": "topk",
}

// dictionaryConfig is what the library's config.json says.
func dictionaryConfig(file *options) (map[string]any, error) {
	class := file.text("trainer.dict_class")
	architecture, known := dictionaryClasses[class]
	if !known {
		architecture = "standard"
		slog.Warn("unknown autoencoder class is read as a plain one", "class", class, "config", file.where)
	}
	model := file.text("trainer.lm_name")
	config := inferred(model[strings.LastIndexByte(model, '/')+1:], fmt.Sprintf("blocks.%d.hook_resid_post", file.integer("trainer.layer")),
		map[string]any{
			"architecture": architecture, "apply_b_dec_to_input": class != "JumpReluAutoEncoder", "dataset_path": pile,
			"d_in": file.number("trainer.activation_dim"), "d_sae": file.number("trainer.dict_size"),
		})
	if architecture == "topk" {
		config["activation_fn"], config["activation_fn_kwargs"] = "topk", map[string]any{"k": file.number("trainer.k")}
	}
	if length, found := file.get("buffer.ctx_len"); found {
		config["context_size"] = length
	}
	return config, file.err
}

// readDictionaryLearning reads a folder of the dictionary_learning library.
func readDictionaryLearning(r *repository, row Row) (*draft, error) {
	file, err := r.json(path.Join(row.Path, "config.json"))
	if err != nil {
		return nil, err
	}
	config, err := dictionaryConfig(file)
	if err != nil {
		return nil, err
	}
	t, err := r.torch(path.Join(row.Path, "ae.pt"))
	if err != nil {
		return nil, err
	}
	d := newDraft(t, file.where, config)
	d.take(t, "W_enc", "W_enc", "^encoder.weight")
	d.take(t, "W_dec", "W_dec", "^decoder.weight")
	d.take(t, "b_enc", "b_enc", "encoder.bias")
	d.take(t, "b_dec", "b_dec", "bias", "decoder_bias", "decoder.bias")
	d.take(t, "b_mag", "mag_bias")
	d.take(t, "b_gate", "gate_bias")
	d.take(t, "r_mag", "r_mag")
	if config["architecture"] == any("jumprelu") && d.take(t, "threshold", "threshold") {
		if threshold := d.parameters["threshold"]; len(threshold.Shape) == 0 {
			d.fill("threshold", threshold.floats()[0])
		}
	}
	return d, nil
}

func connorRobConfig(row Row) string {
	stem, _, _ := strings.Cut(row.Path, ".pt")
	return stem + "_cfg.json"
}

func connorRobFiles(row Row, _ func(string) bool) []string {
	return []string{connorRobConfig(row), row.Path}
}

// readConnorRob reads the attention sources of Kissane and others.
func readConnorRob(r *repository, row Row) (*draft, error) {
	file, err := r.json(connorRobConfig(row))
	if err != nil {
		return nil, err
	}
	config := inferred("gpt2-small", file.text("act_name"), map[string]any{
		"d_in": file.number("act_size"), "d_sae": file.number("dict_size"), "apply_b_dec_to_input": true,
		"reshape_activations": "hook_z", "context_size": 128.0, "dataset_path": openWeb,
	})
	if file.err != nil {
		return nil, file.err
	}
	t, err := r.torch(row.Path)
	if err != nil {
		return nil, err
	}
	d := newDraft(t, file.where, config)
	for _, name := range plain {
		d.take(t, name, name)
	}
	return d, nil
}

var (
	qwenRepo  = regexp.MustCompile(`SAE-Res-(.+)-W(\d+)K-L0_(\d+)$`)
	qwenLayer = regexp.MustCompile(`layer(\d+)\.sae\.pt$`)
)

// qwenModels are the models Qwen Scope was published for; all lie under Qwen/.
var qwenModels = map[string]bool{
	"Qwen3-1.7B-Base": true, "Qwen3-8B-Base": true, "Qwen3-30B-A3B-Base": true, "Qwen3.5-2B-Base": true,
	"Qwen3.5-9B-Base": true, "Qwen3.5-27B": true, "Qwen3.5-35B-A3B-Base": true,
}

// qwenScopeConfig is everything that follows from the repository id and the file name.
func qwenScopeConfig(row Row) (map[string]any, error) {
	match := qwenRepo.FindStringSubmatch(row.Repo)
	if match == nil {
		return nil, fmt.Errorf("repository %s is not named like SAE-Res-<model>-W<n>K-L0_<k>", row.Repo)
	}
	if !qwenModels[match[1]] {
		return nil, fmt.Errorf("repository %s is for the model %s, which is none of Qwen Scope's", row.Repo, match[1])
	}
	layer, err := numberIn(row.Path, qwenLayer, "layer")
	if err != nil {
		return nil, err
	}
	k, err := numberIn(match[3], regexp.MustCompile(`^(\d+)$`), "k")
	if err != nil {
		return nil, err
	}
	return inferred("Qwen/"+match[1], fmt.Sprintf("blocks.%d.hook_resid_post", layer), map[string]any{
		"architecture": "topk", "activation_fn": "topk", "activation_fn_kwargs": map[string]any{"k": float64(k)},
		"hf_hook_name": fmt.Sprintf("model.layers.%d", layer), "context_size": 1024.0, "dataset_path": nil,
	}), nil
}

func readQwenScope(r *repository, row Row) (*draft, error) {
	config, err := qwenScopeConfig(row)
	if err != nil {
		return nil, err
	}
	t, err := r.torch(row.Path)
	if err != nil {
		return nil, err
	}
	d := newDraft(t, row.Repo, config)
	d.take(t, "W_enc", "^W_enc")
	d.take(t, "W_dec", "^W_dec")
	d.take(t, "b_enc", "b_enc")
	d.take(t, "b_dec", "b_dec")
	d.measure()
	return d, nil
}

var deepSeekLayer = regexp.MustCompile(`l(\d+)`)

func readDeepSeek(r *repository, row Row) (*draft, error) {
	layer, err := numberIn(row.Path, deepSeekLayer, "layer")
	if err != nil {
		return nil, err
	}
	t, err := r.torch(row.Path)
	if err != nil {
		return nil, err
	}
	d := newDraft(t, row.Repo, inferred("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", fmt.Sprintf("blocks.%d.hook_resid_post", layer),
		map[string]any{"context_size": 1024.0, "dataset_path": "lmsys/lmsys-chat-1m"}))
	d.take(t, "W_enc", "^encoder.weight")
	d.take(t, "W_dec", "^decoder.weight")
	d.take(t, "b_enc", "encoder.bias")
	d.take(t, "b_dec", "decoder.bias")
	d.measure()
	return d, nil
}

// goodfireSources are the two sources Goodfire published: repository/path, model and layer.
var goodfireSources = map[string]struct {
	model string
	layer int
}{
	"Goodfire/Llama-3.3-70B-Instruct-SAE-l50/Llama-3.3-70B-Instruct-SAE-l50.pt": {"meta-llama/Llama-3.3-70B-Instruct", 50},
	"Goodfire/Llama-3.1-8B-Instruct-SAE-l19/Llama-3.1-8B-Instruct-SAE-l19.pth":  {"meta-llama/Llama-3.1-8B-Instruct", 19},
}

func readGoodfire(r *repository, row Row) (*draft, error) {
	source, known := goodfireSources[row.Repo+"/"+row.Path]
	if !known {
		return nil, fmt.Errorf("%s/%s is none of Goodfire's published sources", row.Repo, row.Path)
	}
	t, err := r.torch(row.Path)
	if err != nil {
		return nil, err
	}
	d := newDraft(t, row.Repo, inferred(source.model, fmt.Sprintf("blocks.%d.hook_resid_post", source.layer),
		map[string]any{"dataset_path": "lmsys/lmsys-chat-1m"}))
	d.take(t, "W_enc", "^encoder_linear.weight")
	d.take(t, "W_dec", "^decoder_linear.weight")
	d.take(t, "b_enc", "encoder_linear.bias")
	d.take(t, "b_dec", "decoder_linear.bias")
	d.measure()
	return d, nil
}
