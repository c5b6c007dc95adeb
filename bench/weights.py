"""Random weights of real shapes, written once: what npinf and the peers compute with."""

import json
import pathlib

import torch
import zstandard
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYERS, WIDTH, FEATURES = 12, 768, 24576
SET = "res-bench"
WORDS = "quick brown fox jumps over the lazy dog and runs into a very old house near some tall green trees where no one ever lived".split()


def write_gpt2(folder):
    """The shape of GPT-2 small, with its real tokenizer."""
    if not (folder / "model.safetensors").exists():
        torch.manual_seed(1)
        GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
        write_tokenizer(folder)
    return folder


def write_llama(folder, dtype):
    """The shape of SmolLM2-135M with GPT-2's tokenizer; the numbers of both dtypes are the same."""
    if not (folder / "model.safetensors").exists():
        torch.manual_seed(2)
        config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
                             vocab_size=50257, max_position_embeddings=8192, rms_norm_eps=1e-5, rope_theta=100000.0, tie_word_embeddings=True,
                             bos_token_id=50256, eos_token_id=50256, pad_token_id=50256)
        LlamaForCausalLM(config).to(torch.bfloat16).to(dtype).save_pretrained(folder)
        write_tokenizer(folder)
    return folder


def write_tokenizer(folder):
    packed = (ROOT / "testdata/tokenizers/gpt2/tokenizer.json.zst").read_bytes()
    (folder / "tokenizer.json").write_bytes(zstandard.ZstdDecompressor().decompress(packed, max_output_size=1 << 26))
    config = {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def source_name(layer):
    return f"{layer}-{SET}"


def write_sources(folder):
    """One standard SAE per layer in SAELens' own format, reading the residual stream before it."""
    return [write_source(folder / source_name(layer), layer) for layer in range(LAYERS)]


def write_source(folder, layer):
    if (folder / "sae_weights.safetensors").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(100 + layer)
    decoder = torch.nn.functional.normalize(torch.randn(FEATURES, WIDTH), dim=1)
    tensors = {"W_enc": decoder.T.contiguous(), "b_enc": -0.5 * torch.rand(FEATURES), "W_dec": decoder, "b_dec": 0.1 * torch.randn(WIDTH)}
    metadata = {"sae_lens_version": "6.54.12", "hook_name": f"blocks.{layer}.hook_resid_pre", "model_name": "gpt2",
                "neuronpedia_id": f"bench/{source_name(layer)}"}
    config = {"architecture": "standard", "d_in": WIDTH, "d_sae": FEATURES, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True,
              "normalize_activations": "none", "reshape_activations": "none", "metadata": metadata}
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder


def prompt(tokenizer, length, variant=0):
    """A text of `length` tokens, BOS counted, and its ids with the BOS in front."""
    text = " ".join(["The"] + [WORDS[(variant + i) % len(WORDS)] for i in range(length - 2)])
    ids = [tokenizer.bos_token_id] + tokenizer(text).input_ids
    assert len(ids) == length, f"{text!r} has {len(ids)} tokens with the BOS, not {length}"
    return text, ids
